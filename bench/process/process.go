// Package process starts processes that end with the one that started them and
// cannot harm it, and reads what a process and the machine use.
//
//	Start   a process group of its own, ended with Kill or with this process
//	Run     a command with everything that it starts: compilers, git, probes
//	CPU, PeakRSS, Heap, LiveHeap       what this process uses
//	ReadProcessors, Waiting            what the machine does, as Linux tells
//
// However this process ends (by a signal, a panic, or for lack of memory), its children
// end too. On Linux the kernel kills them at once. Elsewhere a worker reads the end of
// its standard input, and Run's shell the end of a pipe. The size of a line of an
// answer, of the output of a command and of what is kept of standard error is bounded.
// Another process that keeps the pipes open delays Wait by PipeGrace at most.
//
// Limits: a process that leaves its process group is not killed by Kill, only its
// pipes are closed.
package process

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// PipeGrace is how long pipes stay open after a process has ended, for what other
// processes that have them may still write.
const PipeGrace = time.Second

// A Process is a running command and its process group. Any number of goroutines
// may use it.
type Process struct {
	command *exec.Cmd
	ended   chan struct{}
	err     error // of Wait, once ended is closed
}

// Start starts a command in a process group of its own, so that the terminal's
// Ctrl-C does not reach it. around, if not nil, is called with the function that
// starts the process, on the operating system thread that does so. The command's
// standard output must not be a StdoutPipe.
func Start(command *exec.Cmd, around func(start func() error) error) (*Process, error) {
	if around == nil {
		around = func(start func() error) error { return start() }
	}
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setpgid = true
	endWithParent(command.SysProcAttr)
	command.WaitDelay = PipeGrace
	p := &Process{command: command, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(p.ended)
		// The kernel takes the end of this thread for the end of the parent, so the
		// thread has to stay for as long as the process runs.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := around(command.Start)
		if err != nil && command.Process != nil { // it runs, but around has failed
			p.kill()
		}
		started <- err
		if command.Process != nil {
			p.wait()
		}
	}()
	if err := <-started; err != nil {
		<-p.ended
		return nil, err
	}
	return p, nil
}

// wait waits for the process, then kills what is left of its group.
func (p *Process) wait() {
	p.err = p.command.Wait()
	if errors.Is(p.err, exec.ErrWaitDelay) {
		p.err = nil
	}
	p.kill()
}

func (p *Process) kill() {
	// Without members the group does not exist, and nothing is left to do.
	_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
}

// Kill ends the process and everything in its process group.
func (p *Process) Kill() {
	select {
	case <-p.ended: // by now the group may be another one
	default:
		p.kill()
	}
}

// Wait waits until the process has ended and what is left of its process group has
// been killed, and returns the error of exec.Cmd's Wait. Pipes that others keep open
// are closed PipeGrace after the end of the process, which is no error.
func (p *Process) Wait() error {
	<-p.ended
	return p.err
}

// Ended returns a channel that is closed when Wait returns.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// PID returns the number of the process.
func (p *Process) PID() int { return p.command.Process.Pid }

// State describes how the process ended, such as "exit status 2" or "signal:
// killed". It is for after Wait.
func (p *Process) State() string { return fmt.Sprint(p.command.ProcessState) }
