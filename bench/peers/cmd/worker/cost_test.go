package main

import (
	"bytes"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReportTellsBoundsAndRange(t *testing.T) {
	faithful := &cost{
		listener: []figure{{500, 480}, {450, 500}, {600, 500}},
		pending:  []figure{{48, 48}, {49, 48}, {48, 49}},
	}
	var out bytes.Buffer
	require.NoError(t, faithful.report(&out))
	assert.Contains(t, out.String(), "+4 % [")
	assert.Contains(t, out.String(), "0 % [")

	faithful.pending = []figure{{30, 48}}
	assert.ErrorContains(t, faithful.report(&out),
		"one pending notification: ratio 0.62: expected 0.8 to 1.25")
	faithful.listener = []figure{{0, 0}} // no ratio
	assert.ErrorContains(t, faithful.report(&out), "one more listener")
}

func TestLeftOut(t *testing.T) {
	stack := func(functions ...string) *profile.Sample {
		s := &profile.Sample{}
		for _, name := range functions {
			line := profile.Line{Function: &profile.Function{Name: name}}
			s.Location = append(s.Location, &profile.Location{Line: []profile.Line{line}})
		}
		return s
	}
	assert.True(t, leftOut(stack("k8s.io/client-go/tools/cache.(*RealFIFO).addToItems_locked", "x")))
	assert.True(t, leftOut(stack("informerlab/core/queue.(*backlog).push", "x")))
	assert.True(t, leftOut(stack("x", "runtime/pprof.StartCPUProfile")))
	assert.False(t, leftOut(stack("informerlab/core/processor.box", "informerlab/core/queue.(*FIFO).Pop")),
		"a notification is made while the queue is popped")
	assert.False(t, leftOut(stack("x", "runtime/pprof.Do")))
}
