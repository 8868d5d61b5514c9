package worker_test

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/worker"
	"informerlab/loadgen"
)

// A client talks to Serve through pipes, as a driver does.
type client struct {
	t      *testing.T
	in     *io.PipeWriter
	out    *bufio.Reader
	served chan error
}

func serve(t *testing.T) *client {
	inReader, in := io.Pipe()
	out, outWriter := io.Pipe()
	c := &client{t: t, in: in, out: bufio.NewReader(out), served: make(chan error, 1)}
	go func() {
		c.served <- worker.Serve(inReader, outWriter, fakes(""))
		assert.NoError(t, outWriter.Close())
	}()
	return c
}

// ask sends a line and returns the answer.
func (c *client) ask(line string) (r worker.Response) {
	c.t.Helper()
	_, err := io.WriteString(c.in, line+"\n")
	require.NoError(c.t, err)
	answer, err := c.out.ReadBytes('\n')
	require.NoError(c.t, err)
	require.NoError(c.t, json.Unmarshal(answer, &r))
	return r
}

// TestProtocolRoundTrip goes once through all operations, with mistakes between
// them that must not end the worker.
func TestProtocolRoundTrip(t *testing.T) {
	c := serve(t)
	list := c.ask(`{"op":"list"}`)
	assert.Equal(t, worker.Version, list.Version)
	require.Len(t, list.Contestants, 2)
	want := worker.Listing{Name: "fake", Summary: "for tests", Traits: fakes("")[0].Traits}
	assert.Equal(t, want, list.Contestants[0])

	assert.Contains(t, c.ask(`{"op":"run"}`).Error, `"run" before "prepare"`)
	assert.Contains(t, c.ask(`{"op":"prepare","contestant":"none","workload":"saturate"}`).Error,
		`unknown buffer "none": expected one of fake, lossy`)
	optioned := c.ask(`{"op":"prepare","contestant":"fake:fast","workload":"saturate"}`)
	assert.Contains(t, optioned.Error, "takes no options")
	noWorkload := c.ask(`{"op":"prepare","contestant":"fake","workload":"none"}`)
	assert.Contains(t, noWorkload.Error, "unknown workload")

	prepared := c.ask(`{"op":"prepare","contestant":"fake","workload":"steady:events=100,rate=10000"}`)
	require.Empty(t, prepared.Error)
	assert.Equal(t, 101, prepared.Events, "and the sentinel")
	assert.EqualValues(t, 10_000_000, prepared.SpanNS)
	w, err := loadgen.ParseWorkload("saturate:listeners=0", "events=50")
	require.NoError(t, err)
	line, err := json.Marshal(worker.Request{Op: worker.OpPrepare, Contestant: "fake", Workload: w.Describe()})
	require.NoError(t, err)
	described := c.ask(string(line))
	require.Empty(t, described.Error)
	assert.Equal(t, 51, described.Events, "a description does as well as a label")

	prepared = c.ask(`{"op":"prepare","contestant":"fake","workload":"steady:events=100,rate=10000"}`)
	require.Empty(t, prepared.Error)
	assert.Empty(t, c.ask(`{"op":"warm"}`).Error)
	assert.Contains(t, c.ask(`{"op":"dance"}`).Error, `unknown operation "dance"`)
	run := c.ask(`{"op":"run"}`)
	require.Empty(t, run.Error)
	assert.Equal(t, 101, run.Result.Events)
	assert.EqualValues(t, 101, run.Result.Latency.Count)

	_, err = io.WriteString(c.in, `{"op":"quit"}`+"\n")
	require.NoError(t, err)
	require.NoError(t, <-c.served)
}

// TestServeEnds covers the two other ways in which a worker ends.
func TestServeEnds(t *testing.T) {
	c := serve(t)
	require.NoError(t, c.in.Close())
	require.NoError(t, <-c.served, "the end of input is no error: the driver is gone")

	c = serve(t)
	answer := c.ask("not JSON")
	assert.Contains(t, answer.Error, "not a line of JSON")
	require.ErrorContains(t, <-c.served, "not a line of JSON")

	long := strings.Repeat("x", 2<<20)
	require.ErrorContains(t, worker.Serve(strings.NewReader(long), io.Discard, nil), "read request")
}
