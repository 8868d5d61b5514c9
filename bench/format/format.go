// Package format writes figures and tables for everything that the lab prints: on a
// terminal, in Markdown and in HTML. Two outputs that show one figure call one function,
// so they agree to the last digit.
//
//	v, "ns/event" ── Value ──▶ "283.4 ns"     four digits, as benchstat prints them
//	ratio         ── Ratio ──▶ "0.26×"        a ratio near one may be a Change: "+1.52 %"
//	rows of text  ── Table ──▶ Text, Markdown or HTML
//
// Prefixes are those of golang.org/x/perf/benchunit: powers of ten, and of two for
// bytes. What is not a number is None.
//
// All functions are pure and may be called concurrently.
package format

import (
	"math"
	"strconv"
	"strings"

	"golang.org/x/perf/benchunit"
)

// None stands for a figure that is not known.
const None = "–"

// Value returns v, a figure of a unit such as "ns/event", "p99-ns" or "B/event", with
// four digits and the prefix that suits it. Of the unit only its first part follows: the
// head of a table or the text names the rest.
func Value(v float64, unit string) string {
	tidy, name := benchunit.Tidy(1, unit)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return None
	case v == 0:
		return "0"
	case v < 0:
		return "−" + Value(-v, unit)
	}
	class := benchunit.ClassOf(name)
	time := strings.Contains(name, "sec")
	text := benchunit.Scale(v*tidy, class)
	if v < 1 && !time { // thousandths of an allocation are no unit of theirs
		text = strconv.FormatFloat(v, 'f', 3-int(math.Floor(math.Log10(v))), 64)
	}
	digits := strings.TrimRight(text, "numkMGTPEZYKiµ")
	suffix := text[len(digits):]
	switch {
	case time:
		suffix += "s"
	case class == benchunit.Binary:
		suffix += "B"
	}
	return strings.TrimSuffix(digits+" "+suffix, " ")
}

// Range returns a figure that lies between two values: "1.200–3.400 ms", or one Value if
// they are written alike.
func Range(low, high float64, unit string) string {
	from, to := Value(low, unit), Value(high, unit)
	if from == to || from == None {
		return to
	}
	digits, prefix, _ := strings.Cut(from, " ")
	if strings.HasSuffix(to, " "+prefix) { // the unit stands once
		from = digits
	}
	return from + "–" + to
}

// Short is Value without the zeros that end it: for axes, and for round numbers.
func Short(v float64, unit string) string {
	digits, suffix, _ := strings.Cut(Value(v, unit), " ")
	return strings.TrimSuffix(trimmed(digits)+" "+suffix, " ")
}

// trimmed leaves out zeros at the end of decimals.
func trimmed(digits string) string {
	if !strings.Contains(digits, ".") {
		return digits
	}
	return strings.TrimRight(strings.TrimRight(digits, "0"), ".")
}

// Nanoseconds is Short of a time in nanoseconds.
func Nanoseconds(v float64) string { return Short(v, "ns") }

// Bytes is Short of a number of bytes.
func Bytes(v float64) string { return Short(v, "B") }

// Count is Short of a number: 25000 is "25 k".
func Count(v float64) string { return Short(v, "") }

// Plural returns a number with the name of what is counted: "1 block", "6 blocks".
func Plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// Percent writes a share of one with at most three digits: 0.125 is "12.5 %".
func Percent(share float64) string {
	if math.IsNaN(share) || math.IsInf(share, 0) {
		return None
	}
	text := strconv.FormatFloat(100*share, 'g', 3, 64)
	if strings.Contains(text, "e") { // below a millionth, or above a thousand
		text = strconv.FormatFloat(100*share, 'f', 0, 64)
	}
	return text + " %"
}

// Ratio writes head/base with two digits at least: "0.26×", "12.3×", "85×".
func Ratio(v float64) string {
	decimals := 2
	switch {
	case math.IsNaN(v):
		return None
	case math.IsInf(v, 0):
		return "from nothing"
	case v >= 99.5:
		decimals = 0
	case v >= 9.95:
		decimals = 1
	case v > 0 && v < .0995:
		decimals = 1 - int(math.Floor(math.Log10(v)))
	}
	return strconv.FormatFloat(v, 'f', decimals, 64) + "×"
}

// Change writes head/base as what it differs from one by: "+1.52 %", "−12.3 %".
func Change(ratio float64) string {
	percent := 100 * (ratio - 1)
	decimals := 2
	switch {
	case math.IsNaN(ratio):
		return None
	case math.IsInf(ratio, 0):
		return "from nothing"
	case math.Abs(percent) >= 100:
		decimals = 0
	case math.Abs(percent) >= 10:
		decimals = 1
	}
	text := trimmed(strconv.FormatFloat(percent, 'f', decimals, 64))
	switch {
	case text == "0" || text == "-0":
		return "0 %"
	case percent > 0:
		text = "+" + text
	}
	return strings.Replace(text, "-", "−", 1) + " %"
}

// Interval writes a ratio with its interval: "0.26× [0.21, 0.31×]", or as changes where
// it is close to one. Without a finite interval it says so.
func Interval(ratio, low, high float64) string {
	known := high > 0 && !math.IsInf(high, 0) // NaN is not
	write := Ratio
	if ratio > 1/1.6 && ratio < 1.6 && (!known || low > .5 && high < 2) {
		write = Change
	}
	switch {
	case math.IsNaN(ratio) || math.IsInf(ratio, 0):
		return "unknown"
	case !known:
		return write(ratio) + " [no interval]"
	}
	from := strings.TrimSuffix(strings.TrimSuffix(write(low), "×"), " %") // the unit stands once
	return write(ratio) + " [" + from + ", " + write(high) + "]"
}
