package gate

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/stats"
)

// TestExpect is a self-check whose gates are made up: those that can say nothing
// are asked again, and the wrong ones are told of.
func TestExpect(t *testing.T) {
	slower, fine := rows(row("ring", stats.Slower)), rows(row("ring", stats.Equivalent))
	unfit := Outcome{Unfit: "base differs from itself"}
	for name, c := range map[string]struct {
		outcomes []Outcome
		wrong    string
	}{
		"as expected":    {[]Outcome{slower, slower}, ""},
		"the third time": {[]Outcome{unfit, unfit, slower, slower}, ""},
		"never": {[]Outcome{unfit, unfit, unfit},
			"a mutant: status 3, expected 1: scripted: base differs from itself"},
		"unseen": {[]Outcome{fine}, "a mutant: status 0, expected 1: "},
	} {
		program := has.program(t, "base")
		var told []string
		check := checker{log: func(line string) { told = append(told, line) }, head: [2]Program{program, program}}
		layers := []Layer{scripted(c.outcomes...)}
		require.NoError(t, check.expect(t.Context(), "a mutant", check.head, layers, StatusSlower), name)
		if c.wrong == "" {
			assert.Empty(t, check.wrong, name)
			assert.Contains(t, told[len(told)-1], "a mutant: status 1, as expected", name)
			continue
		}
		assert.Equal(t, []string{c.wrong}, check.wrong, name)
	}
}
