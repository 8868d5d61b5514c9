package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"informerlab/bench/process"
)

// A Tree is source that lab is built from.
type Tree struct {
	Label   string // what it is, in a few words
	Dir     string // the top folder of the module
	Overlay string // file for go build -overlay; "" = none
}

// A Program is a lab that was built. The methods may be called concurrently.
type Program struct {
	Path string
	Tree Tree
}

// build builds lab into a file. A layout other than 0 is the seed of the order in
// which the linker places functions.
func (t Tree) build(ctx context.Context, path string, layout uint64) (Program, error) {
	// Trimmed and without the state of a repository, equal sources give equal programs.
	args := []string{"build", "-trimpath", "-buildvcs=false", "-o", path}
	if t.Overlay != "" {
		args = append(args, "-overlay", t.Overlay)
	}
	if layout != 0 {
		args = append(args, "-ldflags=-randlayout="+strconv.FormatUint(layout, 10))
	}
	out, err := leashed(ctx, t.Dir, "go", append(args, "./bench/cmd/lab")...)
	if err != nil {
		return Program{}, fmt.Errorf("gate: %s does not build: %s", t.Label, firstError(out, err))
	}
	return Program{Path: path, Tree: t}, nil
}

// firstError returns the first line of a failed build that tells of a mistake.
func firstError(out []byte, err error) string {
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "go: downloading") {
			return line
		}
	}
	return err.Error()
}

// Repository is a git repository by its top folder.
type Repository string

// OpenRepository returns the repository that a folder lies in.
func OpenRepository(ctx context.Context, dir string) (Repository, error) {
	top, err := Repository(dir).git(ctx, nil, "rev-parse", "--show-toplevel")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(top, "go.mod")); err != nil {
		return "", fmt.Errorf("gate: the top folder of the repository is no module: %w", err)
	}
	return Repository(top), nil
}

// Head returns the working tree as it is.
func (r Repository) Head(ctx context.Context) (Tree, error) {
	commit, err := r.git(ctx, nil, "rev-parse", "--short", "HEAD")
	if err != nil {
		return Tree{}, err
	}
	changed, err := r.git(ctx, nil, "status", "--porcelain")
	if err != nil {
		return Tree{}, err
	}
	t := Tree{Label: "head " + commit, Dir: string(r)}
	if changed != "" {
		t.Label += fmt.Sprintf(" with %d uncommitted changes", strings.Count(changed, "\n")+1)
	}
	return t, nil
}

// A Checkout is a tree of its own in a temporary folder.
type Checkout struct {
	Tree
	scratch *scratch
}

// Checkout writes the tree that ref names, a commit or what leads to one, into a
// temporary folder.
func (r Repository) Checkout(ctx context.Context, ref string) (c *Checkout, err error) {
	commit, err := r.git(ctx, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("gate: base %q is no commit that this repository knows", ref)
	}
	if err != nil {
		return nil, err
	}
	label := "base " + commit[:min(len(commit), 10)]
	if !strings.HasPrefix(commit, ref) {
		label += " (" + ref + ")"
	}
	c = &Checkout{Tree: Tree{Label: label}}
	if c.scratch, err = newScratch(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.scratch.remove())
		}
	}()
	c.Dir = c.scratch.file("base")
	// A worktree would be registered with the repository, and stay so if the gate
	// is killed. An index of its own leaves no trace there.
	index := []string{"GIT_INDEX_FILE=" + c.scratch.file("index")}
	if _, err = r.git(ctx, index, "read-tree", commit); err != nil {
		return nil, err
	}
	_, err = r.git(ctx, index, "checkout-index", "--all", "--quiet", "--prefix="+c.Dir+"/")
	return c, err
}

// Close removes the tree.
func (c *Checkout) Close() error { return c.scratch.remove() }

// git returns what a git command prints, without the last newline.
func (r Repository) git(ctx context.Context, env []string, args ...string) (string, error) {
	command := exec.Command("git", args...)
	command.Dir = string(r)
	command.Env = append(os.Environ(), env...)
	var errOut bytes.Buffer
	command.Stderr = &errOut
	out, err := process.Output(ctx, command)
	if ctx.Err() != nil {
		return "", ctx.Err() // whatever failed, failed because it was ended
	}
	if err != nil {
		return "", fmt.Errorf("gate: git %s: %w: %s", args[0], err, firstError(errOut.Bytes(), err))
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}

// A scratch is a temporary folder whose name tells which process it belongs to.
type scratch struct{ path string }

const scratchPrefix = "informerlab-gate-"

// newScratch makes a folder, and removes those of gates that were killed.
func newScratch() (*scratch, error) {
	if err := sweep(os.TempDir()); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", scratchPrefix, os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	return &scratch{path}, nil
}

func (s *scratch) file(name string) string { return filepath.Join(s.path, name) }

func (s *scratch) remove() error {
	if err := os.RemoveAll(s.path); err != nil {
		return fmt.Errorf("gate: %w", err)
	}
	return nil
}

// sweep removes the folders of processes that have ended. Where another process
// has the number by now, a folder waits for a later sweep.
func sweep(parent string) error {
	found, err := filepath.Glob(filepath.Join(parent, scratchPrefix+"*-*"))
	if err != nil {
		return fmt.Errorf("gate: %w", err)
	}
	for _, path := range found {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), scratchPrefix), "-")
		pid, err := strconv.Atoi(owner)
		if err != nil || pid <= 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		// Others may sweep at the same time, and what is another user's stays.
		err = os.RemoveAll(path)
		if err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("gate: leftovers of a killed gate: %w", err)
		}
	}
	return nil
}
