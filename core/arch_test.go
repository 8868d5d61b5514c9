package core_test

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// importPolicy says which package may import which; the standard library is
// free for all. Change it to change the architecture, not to make a build pass.
//
//	a, b < c, d    c and d may import a and b, and all that a and b may import
//	a !< c         c may not import a, although it may import what may
//
// A name is a package of this module, every package of a tree (x/...), or each
// package beneath one (x/*), these not knowing each other. Names that begin
// with a domain are modules. NONE is nothing. It looks like the policy in
// go/build/deps_test.go, which has the same purpose for Go itself.
const importPolicy = `
	NONE < go.uber.org/atomic, github.com/stretchr/testify, go.uber.org/goleak;
	NONE < github.com/HdrHistogram/hdrhistogram-go, github.com/google/pprof, github.com/anishathalye/porcupine;
	NONE < golang.org/x/perf, golang.org/x/sys, github.com/klauspost/compress, github.com/pelletier/go-toml;
	NONE < github.com/aclements/go-moremath;

	# The pipeline. Whoever may import event may import atomic.
	go.uber.org/atomic < core/event;
	core/event < core/source, core/indexer, core/buffer, core/queue;
	core/source, core/queue < core/reflector;
	core/event, core/buffer < core/processor;
	core/processor < core/processor/processortest;
	core/queue, core/indexer < core/controller;
	core/reflector, core/controller, core/processor < core/informer;
	NONE < core, core/realtime;

	# Neither does the work queue know the pipeline, nor the pipeline it.
	go.uber.org/atomic < core/workqueue;

	# The laws of buffers are tests that authors import, and all that porcupine is for.
	core/buffer, github.com/stretchr/testify, go.uber.org/goleak < core/buffer/buffertest;
	github.com/anishathalye/porcupine < core/buffer/buffertest;

	# A variant knows items, not what they are, nor its competitors.
	core/buffer < variants/*;
	core/event !< variants/*;
	variants/*, core/processor < variants;

	# The one sleeper of loadgen needs finer alarms than the runtime's.
	core/source, github.com/HdrHistogram/hdrhistogram-go, golang.org/x/sys < loadgen/...;
	github.com/klauspost/compress, github.com/pelletier/go-toml < loadgen/...;

	# Statistics know numbers, not where they come from.
	github.com/aclements/go-moremath < bench/stats < bench/...;

	# Figures know nothing of what they show, but how numbers are written.
	golang.org/x/perf < bench/format < bench/chart < bench/chart/charttest;

	bench/format, bench/chart, bench/chart/charttest < bench/...;
	core/informer, core/workqueue, variants, loadgen/... < bench/...;
	core/buffer/buffertest < bench/...;
	github.com/google/pprof, golang.org/x/perf < bench/...;
`

// testPolicy is for test files, by the first element of the package path: a
// test may use whatever its room can reach, and any module but those of
// Kubernetes.
const testPolicy = `
	NONE < core < variants, loadgen < bench;
`

// policy is a parsed policy text.
type policy struct {
	module string
	may    map[string]map[string]bool // importer to imported, closed under transitivity
	mayNot map[string]map[string]bool
}

// parsePolicy reads the notation of importPolicy. It fails on names that are
// used before a rule has placed them, so that no rule can make a cycle.
func parsePolicy(module, text string) (*policy, error) {
	p := &policy{module, map[string]map[string]bool{"NONE": {}}, map[string]map[string]bool{}}
	var lines []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		lines = append(lines, line)
	}
	rules := strings.Split(strings.Join(lines, " "), ";")
	if last := rules[len(rules)-1]; strings.TrimSpace(last) != "" {
		return nil, fmt.Errorf("policy: %q: no semicolon", strings.TrimSpace(last))
	}
	placed := map[string]bool{} // names that others build on: nothing may be put beneath them any more
	for _, rule := range rules[:len(rules)-1] {
		rule = strings.Join(strings.Fields(rule), " ")
		if err := p.addRule(rule, placed); err != nil {
			return nil, fmt.Errorf("policy: %q: %w", rule, err)
		}
	}
	return p, nil
}

// addRule adds one rule without its semicolon: a chain of lists.
func (p *policy) addRule(rule string, placed map[string]bool) error {
	if lower, upper, negative := strings.Cut(rule, " !< "); negative {
		for _, below := range strings.Split(lower, ", ") {
			for _, above := range strings.Split(upper, ", ") {
				if !p.may[above][below] {
					return fmt.Errorf("%s may not import %s anyway", above, below)
				}
				mark(p.mayNot, above, below)
			}
		}
		return nil
	}
	lists := strings.Split(rule, " < ")
	if len(lists) < 2 {
		return errors.New("expected a < b")
	}
	for i := range lists[1:] {
		for _, below := range strings.Split(lists[i], ", ") {
			if p.may[below] == nil {
				return fmt.Errorf("%s is used before it is placed", below)
			}
			placed[below] = below != "NONE"
			for _, above := range strings.Split(lists[i+1], ", ") {
				if placed[above] {
					return fmt.Errorf("%s is placed above %s after it was built on", above, below)
				}
				mark(p.may, above, below)
				maps.Copy(p.may[above], p.may[below])
			}
		}
	}
	return nil
}

func mark(relation map[string]map[string]bool, above, below string) {
	if relation[above] == nil {
		relation[above] = map[string]bool{}
	}
	relation[above][below] = true
}

// name returns the name in the policy that stands for a package, and what of it
// may import each other: the whole tree, or only the package.
func (p *policy) name(pkg string) (name, room string, found bool) {
	if p.may[pkg] != nil {
		return pkg, pkg, true
	}
	for parent := pkg; ; {
		if tree := parent + "/..."; p.may[tree] != nil {
			return tree, tree, true
		}
		up := path.Dir(parent)
		if up == "." {
			return "", "", false
		}
		if each := up + "/*"; p.may[each] != nil {
			return each, parent, true
		}
		if strings.Contains(pkg, ".") && p.may[up] != nil { // a package of a module
			return up, up, true
		}
		parent = up
	}
}

// check says what is wrong with one import, if anything.
func (p *policy) check(importer, imported string) error {
	first, _, _ := strings.Cut(imported, "/")
	ours := first == p.module
	if !ours && !strings.Contains(first, ".") {
		return nil // the standard library
	}
	imported = strings.TrimPrefix(imported, p.module+"/")
	above, aboveRoom, known := p.name(importer)
	if !known {
		return fmt.Errorf("%s is not in the policy: say in core/arch_test.go what it may import", importer)
	}
	below, belowRoom, known := p.name(imported)
	if ours && known && aboveRoom == belowRoom {
		return nil
	}
	if !known || !p.may[above][below] || p.mayNot[above][below] {
		return fmt.Errorf("%s may not import %s", importer, imported)
	}
	return nil
}

// checkTest is check for test files, with testPolicy.
func (p *policy) checkTest(importer, imported string) error {
	first, rest, _ := strings.Cut(imported, "/")
	if first != p.module {
		if strings.Contains(first, "k8s.io") {
			return fmt.Errorf("test of %s may not import %s", importer, imported)
		}
		return nil
	}
	room := func(pkg string) string { first, _, _ := strings.Cut(pkg, "/"); return first }
	if room(importer) != room(rest) && !p.may[room(importer)][room(rest)] {
		return fmt.Errorf("test of %s may not import %s", importer, rest)
	}
	return nil
}

// repository returns the root of this module and the name of the module.
func repository(t *testing.T) (root, module string) {
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(mod), "\n")
	return root, strings.TrimPrefix(first, "module ")
}

// goFiles returns the Go files of the module, relative to its root: not those of
// modules inside it, of testdata, or of what the go command ignores.
func goFiles(t *testing.T, root string) (files []string) {
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || file == root:
			return err
		case d.IsDir():
			_, err := os.Stat(filepath.Join(file, "go.mod"))
			if err == nil || d.Name() == "testdata" || strings.ContainsAny(d.Name()[:1], "._") {
				return fs.SkipDir
			}
		case strings.HasSuffix(file, ".go"):
			relative, err := filepath.Rel(root, file)
			files = append(files, filepath.ToSlash(relative))
			return err
		}
		return nil
	})
	require.NoError(t, err)
	return files
}

func TestImportsPointDown(t *testing.T) {
	root, module := repository(t)
	production, err := parsePolicy(module, importPolicy)
	require.NoError(t, err)
	tests, err := parsePolicy(module, testPolicy)
	require.NoError(t, err)
	for _, file := range goFiles(t, root) {
		source := filepath.Join(root, file)
		parsed, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ImportsOnly)
		require.NoError(t, err)
		check := production.check
		if strings.HasSuffix(file, "_test.go") {
			check = tests.checkTest
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			assert.NoError(t, check(path.Dir(file), imported), file)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(production.may)) {
		dir := strings.TrimSuffix(strings.TrimSuffix(name, "/..."), "/*")
		if name == "NONE" || strings.Contains(dir, ".") {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, dir)); err != nil {
			t.Logf("%s is in the policy but not in the repository", name)
		}
	}
}

// A policy that forbids nothing would pass as well.
func TestImportPolicyForbids(t *testing.T) {
	p, err := parsePolicy("m", importPolicy)
	require.NoError(t, err)
	for _, allowed := range []string{
		"core/event fmt", "core/event go.uber.org/atomic", "core/reflector m/core/event",
		"core/informer m/core/processor", "variants/ring m/core/buffer",
		"variants/ring/internal/cell m/core/buffer", "variants/ring m/variants/ring/internal/cell",
		"variants m/variants/ring", "variants m/core/event",
		"loadgen m/loadgen/recorded", "loadgen/recorded github.com/HdrHistogram/hdrhistogram-go",
		"bench/cmd/lab m/bench/report", "bench/report golang.org/x/perf/benchfmt", "bench m/core/workqueue",
	} {
		importer, imported, _ := strings.Cut(allowed, " ")
		assert.NoError(t, p.check(importer, imported))
	}
	for forbidden, want := range map[string]string{
		"core/event m/core/buffer":               "core/event may not import core/buffer",
		"core/source m/core/queue":               "core/source may not import core/queue",
		"core/processor m/core/indexer":          "core/processor may not import core/indexer",
		"core/informer m/variants":               "core/informer may not import variants",
		"core/informer m/core/workqueue":         "core/informer may not import core/workqueue",
		"core/workqueue m/core/event":            "core/workqueue may not import core/event",
		"variants/ring m/core/event":             "variants/ring may not import core/event",
		"variants/ring m/variants/linkedlist":    "variants/ring may not import variants/linkedlist",
		"loadgen m/core/buffer":                  "loadgen may not import core/buffer",
		"loadgen m/bench":                        "loadgen may not import bench",
		"core/event github.com/stretchr/testify": "core/event may not import github.com/stretchr/testify",
		"bench k8s.io/client-go/tools/cache":     "bench may not import k8s.io/client-go/tools/cache",
		"core/event m/core/nowhere":              "core/event may not import core/nowhere",
		"nowhere m/core/event": "nowhere is not in the policy: " +
			"say in core/arch_test.go what it may import",
	} {
		importer, imported, _ := strings.Cut(forbidden, " ")
		assert.EqualError(t, p.check(importer, imported), want)
	}
}

func TestTestPolicyForbids(t *testing.T) {
	p, err := parsePolicy("m", testPolicy)
	require.NoError(t, err)
	assert.NoError(t, p.checkTest("core/queue", "m/core/informer"))
	assert.NoError(t, p.checkTest("variants/ring", "m/core/buffer/buffertest"))
	assert.NoError(t, p.checkTest("bench/worker", "github.com/stretchr/testify/require"))
	for forbidden, want := range map[string]string{
		"core/informer m/variants":         "test of core/informer may not import variants",
		"core/informer m/loadgen/recorded": "test of core/informer may not import loadgen/recorded",
		"loadgen m/bench/worker":           "test of loadgen may not import bench/worker",
		"bench k8s.io/api/core/v1":         "test of bench may not import k8s.io/api/core/v1",
	} {
		importer, imported, _ := strings.Cut(forbidden, " ")
		assert.EqualError(t, p.checkTest(importer, imported), want)
	}
}

func TestPoliciesThatMakeNoSense(t *testing.T) {
	for text, want := range map[string]string{
		"NONE < a":                            `policy: "NONE < a": no semicolon`,
		"a;":                                  `policy: "a": expected a < b`,
		"a < b;":                              `policy: "a < b": a is used before it is placed`,
		"NONE < a < b; b < a;":                `policy: "b < a": a is placed above b after it was built on`,
		"NONE < a; a !< b;":                   `policy: "a !< b": b may not import a anyway`,
		"NONE < a, b; # text\n a < b; b < b;": `policy: "b < b": b is placed above b after it was built on`,
	} {
		_, err := parsePolicy("m", text)
		assert.EqualError(t, err, want)
	}
}
