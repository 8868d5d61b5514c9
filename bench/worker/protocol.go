package worker

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"informerlab/core/buffer"
	"informerlab/loadgen"
)

// Version is the version of the protocol. A worker built from another checkout
// may speak another one, and a driver must not use it then.
const Version = 5

// The operations of the protocol, in the order a driver asks for them.
const (
	OpList    = "list"    // which contestants there are
	OpPrepare = "prepare" // build the load of one workload for one contestant
	OpWarm    = "warm"    // run once without measuring
	OpRun     = "run"     // one measured run
	OpProfile = "profile" // runs under the profilers, not timed
	OpQuit    = "quit"    // end; so does the end of input
)

// A Request is one line from the driver to a worker.
type Request struct {
	Op         string `json:"op"`
	Contestant string `json:"contestant,omitempty"` // with options
	// Workload is a description of the whole workload, so that a worker needs
	// neither its file nor the same defaults; or, from a hand, a label.
	Workload string `json:"workload,omitempty"`
	// Spin is the percentage by which a run is to be made longer, by keeping one
	// processor busy at its end: by its processor time if the worker has one
	// processor, else by the clock. Timeline asks for samples of the run.
	// Bare asks for a run that is not watched: see Session.
	Spin     float64 `json:"spin,omitempty"`
	Timeline bool    `json:"timeline,omitempty"`
	Bare     bool    `json:"bare,omitempty"`
	// Seconds and Profiles are the arguments of Session.Profile: how long, and
	// what the names of the files begin with.
	Seconds  float64 `json:"seconds,omitempty"`
	Profiles string  `json:"profiles,omitempty"`
}

// A Response is one line from a worker to the driver.
type Response struct {
	Error       string    `json:"error,omitempty"` // the operation failed; nothing else is set
	Version     int       `json:"version,omitempty"`
	Contestants []Listing `json:"contestants,omitempty"`
	Events      int       `json:"events,omitempty"`  // of a prepared load
	SpanNS      int64     `json:"span_ns,omitempty"` // how long a run takes at least
	Result      *Result   `json:"result,omitempty"`
}

// A Listing describes a contestant of a worker.
type Listing struct {
	Name    string        `json:"name"`
	Summary string        `json:"summary"`
	Traits  buffer.Traits `json:"traits"`
}

// maxLine is the longest line of the protocol: a request holds at most a workload
// and a path.
const maxLine = 1 << 20

// Serve answers the requests on in until OpQuit or the end of in. Failed
// operations are answered with an error; Serve itself fails only if it cannot
// go on, because a line is not JSON or out cannot be written. During an operation it
// does not look at in, as Main does.
func Serve(in io.Reader, out io.Writer, contestants []Contestant) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	answers := json.NewEncoder(out)
	s := server{contestants: contestants}
	for lines.Scan() {
		var request Request
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			err = fmt.Errorf("worker: request is not a line of JSON: %w", err)
			return errors.Join(err, answers.Encode(Response{Error: err.Error()}))
		}
		if request.Op == OpQuit {
			return nil
		}
		response, err := s.answer(request)
		if err != nil {
			response = Response{Error: err.Error()}
		}
		if err := answers.Encode(response); err != nil {
			return fmt.Errorf("worker: answer: %w", err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("worker: read request: %w", err)
	}
	return nil
}

// A server is the state of one Serve.
type server struct {
	contestants []Contestant
	session     *Session // nil before OpPrepare
}

func (s *server) answer(r Request) (Response, error) {
	switch r.Op {
	case OpList:
		list := make([]Listing, 0, len(s.contestants))
		for _, c := range s.contestants {
			list = append(list, Listing{c.Name, c.Summary, c.Traits})
		}
		return Response{Version: Version, Contestants: list}, nil
	case OpPrepare:
		return s.prepare(r)
	}
	if s.session == nil {
		return Response{}, fmt.Errorf("worker: %q before %q", r.Op, OpPrepare)
	}
	switch r.Op {
	case OpWarm:
		return Response{}, s.session.Warm()
	case OpRun:
		s.session.Spin, s.session.Timeline, s.session.Bare = r.Spin, r.Timeline, r.Bare
		result, err := s.session.Run()
		return Response{Result: result}, err
	case OpProfile:
		return Response{}, s.session.Profile(r.Profiles, time.Duration(r.Seconds*float64(time.Second)))
	}
	return Response{}, fmt.Errorf("worker: unknown operation %q", r.Op)
}

func (s *server) prepare(r Request) (Response, error) {
	var w loadgen.Workload
	if err := w.UnmarshalText([]byte(r.Workload)); err != nil {
		return Response{}, err
	}
	c, err := Find(s.contestants, r.Contestant)
	if err != nil {
		return Response{}, err
	}
	if s.session, err = Prepare(c, w); err != nil {
		return Response{}, err
	}
	return Response{Events: s.session.events, SpanNS: int64(s.session.span)}, nil
}
