package run

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestProgress lets a fake clock run through three steps.
func TestProgress(t *testing.T) {
	var out strings.Builder
	now := time.Unix(0, 0)
	p := newProgress(&out, false, func() time.Time { return now })
	p.plan([]unit{{"a", 10}, {"a", 10}, {"b", 20}})
	p.begin("block 1/2  a")
	p.show("only a terminal sees this")
	now = now.Add(5 * time.Second)
	p.done("a")
	p.begin("block 2/2  a")
	p.end()
	assert.Equal(t, "lab: 0/3, about 40s left  block 1/2  a\n"+
		"lab: 1/3, about 15s left  block 2/2  a\n", out.String(),
		"a took half of its guess, so b is expected to do so too")

	out.Reset()
	p = newProgress(&out, true, func() time.Time { return now })
	p.plan([]unit{{"a", 10}})
	p.begin("block 1/1  a")
	p.show("round 1/2  ring")
	p.end()
	assert.NotContains(t, out.String(), "\n", "a terminal's line is redrawn in place")
	assert.Contains(t, out.String(), "\r\x1b[Klab: 0/1, about 10s left  block 1/1  a  round 1/2  ring")

	out.Reset()
	p = newProgress(&out, false, func() time.Time { return now })
	p.plan([]unit{{"a", 600}, {"a", 600}})
	p.Until(now.Add(45 * time.Second))
	p.begin("block 1/2  a")
	now = now.Add(40 * time.Second)
	p.done("a")
	p.begin("block 2/2  a")
	now = now.Add(time.Minute)
	p.begin("block 2/2  a")
	assert.Equal(t, "lab: 0/2, about 45s left  block 1/2  a\nlab: 1/2, about 5s left  block 2/2  a\n"+
		"lab: 1/2, about 0s left  block 2/2  a\n", out.String(), "no more than the budget has left")

	var silent *Progress
	silent.Until(now)
	silent.plan(nil)
	silent.begin("a")
	silent.show("b")
	silent.done("a")
	silent.end()
}
