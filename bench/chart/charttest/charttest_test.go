package charttest

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A check has to be able to fail, too.
func TestFaults(t *testing.T) {
	figure := func(inside string) string {
		return `<svg aria-label="f" width="100" height="50" font-size="10">` + inside + "</svg>"
	}
	for page, want := range map[string]string{
		figure(`<text x="0" y="20">a</text><text x="50" y="20">b</text>`):  "",
		figure(`<text x="0" y="20">abc</text><text x="5" y="20">b</text>`): `f: "b" lies on "abc"`,
		figure(`<text x="0" y="20">a</text><text x="0" y="26">b</text>`):   `f: "b" lies on "a"`,
		figure(`<text x="95" y="20">abcdef</text>`):                        `f: "abcdef" is cut off`,
		figure(`<text x="95" y="20" text-anchor="end">abc</text>`):         "",
		figure(`<text x="x" y="20">abc</text>`): `f: text "abc": ` +
			`strconv.ParseFloat: parsing "x": invalid syntax`,
		figure(`<g class="axis"><text class="at" x="0" y="20">a (s)</text></g>`): "",
		figure(`<g class="axis"><text class="at" x="0" y="20">a</text></g>`):     `f: axis "a" has no unit`,
		figure(`<g class="axis"></g>`):                                           `f: axis "" has no unit`,
		`<a href="flame/index.html">a</a>`:                                       "",
		`<img src="https://example.com/a.png"/>`:                                 "img refers to https://example.com/a.png",
		`<script>1</script>`:                                                     "there is a script",
		`<style>@import "a.css"</style>`:                                         "style refers to @import",
		`<style>a { background: url(a.png) }</style>`:                            "style refers to url(",
		`<p>`: "charttest: XML syntax error on line 1: unexpected EOF",
	} {
		var wanted []string
		if want != "" {
			wanted = []string{want}
		}
		assert.Equal(t, wanted, Faults([]byte(page)), page)
	}
}
