package worker

import (
	"fmt"
	"io"
	"os"
	"time"
)

// Main serves the requests on in, as Serve does, for a process that has nothing else
// to do. It reads in at all times, also while it measures: when in ends, whoever
// asked is gone, and the process ends within a second, in the middle of whatever it
// does.
func Main(in io.Reader, out io.Writer, contestants []Contestant) error {
	return Serve(Watch(in, leaveGrace, func() {
		fmt.Fprintln(os.Stderr, "worker: the input has ended during an operation")
		os.Exit(1)
	}), out, contestants)
}

// leaveGrace is how long an operation may go on when the input has ended. One that
// ends at the same time as the input needs a moment to answer.
const leaveGrace = 500 * time.Millisecond

// Watch returns a reader of what in holds, which one goroutine uses. in is read
// before anybody asks for it: if it ends and the returned reader is not asked for
// more within the time given, gone is called, by a goroutine that Watch starts and
// that ends after that. An error of in is its end, and is returned by the reader.
func Watch(in io.Reader, patience time.Duration, gone func()) io.Reader {
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
				gone()
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
