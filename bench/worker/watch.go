package worker

import (
	"fmt"
	"io"
	"os"
	"time"
)

// Main serves the requests on in, as Serve does, for a process that has nothing else
// to do. It reads in at all times, also during an operation. When in ends, the driver
// has ended, and Main ends the process within a second, also during an operation.
func Main(in io.Reader, out io.Writer, contestants []Contestant) error {
	return Serve(Watch(in, leaveGrace, func() {
		fmt.Fprintln(os.Stderr, "worker: the input has ended during an operation")
		os.Exit(1)
	}), out, contestants)
}

// leaveGrace is how long an operation may continue after the end of the input. One that
// ends at the same time as the input needs a moment to answer.
const leaveGrace = 500 * time.Millisecond

// Watch returns a reader of the content of in, for one goroutine. A goroutine that
// Watch starts reads in ahead of it, until in ends or fails. If the returned reader is
// then not called within patience, that goroutine calls abandoned. It ends in either
// case. The reader returns the error of in.
func Watch(in io.Reader, patience time.Duration, abandoned func()) io.Reader {
	w := &watched{chunks: make(chan []byte), ended: make(chan error)}
	go func() {
		for {
			chunk := make([]byte, 4096)
			n, err := in.Read(chunk)
			if n > 0 {
				w.chunks <- chunk[:n]
			}
			if err == nil {
				continue
			}
			timer := time.NewTimer(patience)
			defer timer.Stop()
			select {
			case w.ended <- err:
			case <-timer.C:
				abandoned()
			}
			return
		}
	}()
	return w
}

// A watched is what Watch returns.
type watched struct {
	chunks chan []byte
	ended  chan error
	rest   []byte
	err    error // of in, when it has ended
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	if len(w.rest) == 0 && w.err == nil {
		select {
		case w.rest = <-w.chunks:
		case w.err = <-w.ended:
		}
	}
	if len(w.rest) == 0 {
		return 0, w.err
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}
