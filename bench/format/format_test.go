package format_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"informerlab/bench/format"
)

func TestValue(t *testing.T) {
	for _, c := range []struct {
		v          float64
		unit       string
		all, brief string
	}{
		{283.41, "ns/event", "283.4 ns", "283.4 ns"},
		{28405.4, "ns/event", "28.41 µs", "28.41 µs"},
		{12e6, "p99-ns", "12.00 ms", "12 ms"},
		{2.5e9, "ns", "2.500 s", "2.5 s"},
		{.25, "cpu-ns/event", "0.2500 ns", "0.25 ns"},
		{63.93, "B/event", "63.93 B", "63.93 B"},
		{1536, "B/event", "1.500 KiB", "1.5 KiB"},
		{4096, "backlog-B", "4.000 KiB", "4 KiB"},
		{25000, "events/s", "25.00 k", "25 k"},
		{2.373, "allocs/event", "2.373", "2.373"},
		{.03, "allocs/event", "0.03000", "0.03"},
		{.5, "B/event", "0.5000 B", "0.5 B"},
		{10, "pending", "10.00", "10"},
		{0, "ns/event", "0", "0"},
		{-1500, "ns", "−1.500 µs", "−1.5 µs"},
		{math.NaN(), "ns", "–", "–"},
		{math.Inf(1), "B", "–", "–"},
	} {
		assert.Equal(t, c.all, format.Value(c.v, c.unit))
		assert.Equal(t, c.brief, format.Short(c.v, c.unit))
	}
	assert.Equal(t, "1.200–3.400 ms", format.Range(1.2e6, 3.4e6, "ns"))
	assert.Equal(t, "12.00 µs–3.400 ms", format.Range(12e3, 3.4e6, "p99-ns"))
	assert.Equal(t, "3.400 ms", format.Range(3.4e6, 3.40004e6, "ns"))
	assert.Equal(t, "–", format.Range(math.NaN(), math.NaN(), "ns"))
	assert.Equal(t, "100 k", format.Count(100000))
	assert.Equal(t, "64 KiB", format.Bytes(65536))
	assert.Equal(t, "10 µs", format.Nanoseconds(10_000))
	assert.Equal(t, "1 block", format.Plural(1, "block"))
	assert.Equal(t, "0 blocks", format.Plural(0, "block"))
}

func TestRatios(t *testing.T) {
	for v, expected := range map[float64]string{
		85.4: "85.4×", 123.4: "123×", 12.34: "12.3×", 9.96: "10.0×", 1: "1.00×",
		.264: "0.26×", .0244: "0.024×", .00084: "0.00084×", 0: "0.00×",
		math.Inf(1): "from nothing",
	} {
		assert.Equal(t, expected, format.Ratio(v))
	}
	for v, expected := range map[float64]string{
		1: "0 %", 1.00001: "0 %", 1.0152: "+1.52 %", .98: "−2 %", .877: "−12.3 %", 3: "+200 %",
		math.Inf(1): "from nothing",
	} {
		assert.Equal(t, expected, format.Change(v))
	}
	for share, expected := range map[float64]string{
		.125: "12.5 %", .01: "1 %", 1: "100 %", 0: "0 %", 12: "1200 %", .98765: "98.8 %",
	} {
		assert.Equal(t, expected, format.Percent(share))
	}
	assert.Equal(t, "0.26× [0.21, 0.31×]", format.Interval(.26, .21, .31))
	assert.Equal(t, "+2 % [+1, +3 %]", format.Interval(1.02, 1.01, 1.03))
	assert.Equal(t, "+2 % [no interval]", format.Interval(1.02, 0, math.Inf(1)))
	assert.Equal(t, "unknown", format.Interval(math.NaN(), 0, math.Inf(1)))
	assert.Equal(t, "–", format.Ratio(math.NaN())+"", "what is not a number")
	assert.Equal(t, "–", format.Change(math.NaN()))
	assert.Equal(t, "–", format.Percent(math.NaN()))
}

func TestTable(t *testing.T) {
	table := format.Table{Head: []string{"buffer", "time"}, Right: map[int]bool{1: true}}
	var b strings.Builder
	require.NoError(t, table.Markdown(&b))
	assert.Empty(t, b.String(), "without rows")
	assert.Empty(t, table.HTML())
	table.Add("ring", "1 µs")
	table.Add("a|b <x>")
	require.NoError(t, table.Text(&b))
	assert.Equal(t, "buffer   time\nring     1 µs\na|b <x>\n", b.String())
	b.Reset()
	require.NoError(t, table.Markdown(&b))
	assert.Equal(t, "\n| buffer   | time |\n| -------- | ---: |\n| ring     | 1 µs |\n| a\\|b <x> |      |\n",
		b.String())
	assert.Equal(t, `<table>
<tr><th>buffer</th><th class="number">time</th></tr>
<tr><td>ring</td><td class="number">1 µs</td></tr>
<tr><td>a|b &lt;x&gt;</td></tr>
</table>`, string(table.HTML()))
}
