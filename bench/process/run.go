package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
)

// OutputLimit is how many bytes a command of Run may write.
const OutputLimit = 64 << 20

// ErrOutput reports a command that wrote more than OutputLimit.
var ErrOutput = fmt.Errorf("more than %d MiB of output", OutputLimit>>20)

// leash runs a command, and kills its whole process group as soon as nobody holds
// the other end of descriptor 3 any more: the go command has children, which
// would outlive it.
const leash = `{ read -r _; kill -9 0; } <&3 >/dev/null 2>&1 & exec "$@" 3<&-`

// Run runs a command that has not been started, with everything that it starts. No
// part of it outlives ctx, the call or this process, however that ends. Run returns
// ctx's error if that ended first, ErrOutput, or the error of exec.Cmd's Wait.
// command itself stays unstarted; of its fields Path, Args, Dir, Env and the three
// standard streams are used, and the streams must not be files.
func Run(ctx context.Context, command *exec.Cmd) error {
	if command.Err != nil {
		return command.Err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	held, end, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("process: %w", err)
	}
	defer func() { _ = end.Close() }() // it ends what is left
	leashed := exec.Command("sh", append([]string{"-c", leash, "sh", command.Path}, command.Args[1:]...)...)
	leashed.Dir, leashed.Env, leashed.Stdin = command.Dir, command.Env, command.Stdin
	leashed.ExtraFiles = []*os.File{held}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	output := &bounded{left: OutputLimit, exceeded: func() { cancel(ErrOutput) }}
	if command.Stdout != nil {
		leashed.Stdout = output.writer(command.Stdout)
	}
	switch {
	case command.Stderr == nil:
	case command.Stderr == command.Stdout:
		leashed.Stderr = leashed.Stdout
	default:
		leashed.Stderr = output.writer(command.Stderr)
	}
	running, err := Start(leashed, nil)
	_ = held.Close() // the shell has it
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, running.Kill)
	defer stop()
	err = running.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// Output is Run of a command without a standard output, which it returns. An error
// has the end of what the command wrote to standard error, unless it has one to
// itself.
func Output(ctx context.Context, command *exec.Cmd) ([]byte, error) {
	out, tail := &buffer{}, &Tail{}
	command.Stdout = out
	if command.Stderr == nil {
		command.Stderr = tail
	}
	err := Run(ctx, command)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w%s", err, tail.Below("; its standard error:"))
	}
	return out.text, err
}

// Combined is Run of a command whose standard output and standard error it returns
// as one text.
func Combined(ctx context.Context, command *exec.Cmd) ([]byte, error) {
	out := &buffer{}
	command.Stdout, command.Stderr = out, out
	err := Run(ctx, command)
	return out.text, err
}

// A buffer keeps what it is given. One goroutine uses it.
type buffer struct{ text []byte }

func (b *buffer) Write(p []byte) (int, error) {
	b.text = append(b.text, p...)
	return len(p), nil
}

// A bounded counts down what its writers may pass on.
type bounded struct {
	mu       sync.Mutex
	left     int
	exceeded func()
}

func (b *bounded) writer(to io.Writer) io.Writer { return &boundedWriter{b, to} }

type boundedWriter struct {
	*bounded
	to io.Writer
}

// Write implements io.Writer. The reader of the command's pipe ends with the error.
func (w *boundedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.left -= len(p)
	exceeded := w.left < 0
	w.mu.Unlock()
	if exceeded {
		w.exceeded()
		return 0, ErrOutput
	}
	return w.to.Write(p)
}
