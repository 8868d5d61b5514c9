package loadgen

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

const (
	builtinFolder = "workloads"
	fileEnding    = ".toml"
	maxFile       = 64 << 10 // bytes; a description of all options has a tenth of that
)

//go:embed workloads/*.toml
var builtinFiles embed.FS

// headers are the lines of a file that are no options: what the workload is
// called, and how it is told of and measured.
var headers = []option{
	{
		name: "name", form: formText, expected: "letters, digits and dashes, at most 60",
		meaning: "that results go by; without it, the file's",
		get:     func(w *Workload) string { return w.Name },
		set: func(w *Workload, value string) bool {
			w.Name = value
			return value != "" && len(value) <= 60 && !strings.ContainsFunc(value, func(r rune) bool {
				return r != '-' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
			})
		},
	},
	{
		name: "summary", form: formText, expected: "one line that says what it is for",
		get: func(w *Workload) string { return w.Summary },
		set: func(w *Workload, value string) bool {
			w.Summary = value
			return value != "" && utf8.ValidString(value) && !strings.ContainsFunc(value, unicode.IsControl)
		},
	},
	{
		name: "label", form: formList, expected: `names of options, such as ["rate"], each once`,
		meaning: "options that labels always tell",
		get:     func(w *Workload) string { return w.label },
		set: func(w *Workload, value string) bool {
			w.label = value
			seen := map[string]bool{}
			for _, name := range w.told() {
				if _, known := lookup(name); !known || seen[name] {
					return false
				}
				seen[name] = true
			}
			return true
		},
	},
	wholeOption("blocks", 0, 10_000, func(w *Workload) *int { return &w.blocks },
		"process blocks to measure; 0: as suits the length of a run"),
	wholeOption("rounds", 0, 10_000, func(w *Workload) *int { return &w.rounds },
		"measured runs per process; 0: as suits the length of a run"),
}

// builtin returns the built-in workloads by name.
var builtin = sync.OnceValue(func() (all []Workload) {
	entries, err := builtinFiles.ReadDir(builtinFolder)
	for _, entry := range entries {
		w, readErr := readBuiltin(strings.TrimSuffix(entry.Name(), fileEnding))
		if f := w.check(); f != nil {
			readErr = errors.Join(readErr, f)
		}
		err = errors.Join(err, readErr)
		all = append(all, w)
	}
	if err != nil {
		panic(err) // a mistake in a file that is part of the program
	}
	return all
})

// Workloads returns the built-in workloads by name, each as its file has it.
func Workloads() []Workload { return append([]Workload(nil), builtin()...) }

// readBuiltin reads the file of a built-in workload; its rules are not checked.
func readBuiltin(name string) (Workload, error) {
	file := path.Join(builtinFolder, name+fileEnding)
	content, err := builtinFiles.ReadFile(file)
	if err != nil {
		return Workload{}, fmt.Errorf("loadgen: workload %s: %w", name, err)
	}
	d := newWorkloadFile(file, name, content)
	if err := d.read(); err != nil {
		return Workload{}, err
	}
	return d.w, nil
}

// readWorkloadFile reads a workload of a user. One with the name of a built-in workload
// is that with other values, and its label tells which.
func readWorkloadFile(file string) (Workload, error) {
	content, err := readSmall(file)
	if err != nil {
		return Workload{}, fmt.Errorf("loadgen: workload: %w", err)
	}
	w, err := decodeWorkload(file, strings.TrimSuffix(filepath.Base(file), fileEnding), content)
	if err != nil {
		return Workload{}, err
	}
	for _, base := range builtin() {
		if base.Name == w.Name {
			w.tellApart(&base)
		}
	}
	return w, nil
}

func readSmall(file string) (content []byte, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	if content, err = io.ReadAll(io.LimitReader(f, maxFile+1)); err != nil {
		return nil, err
	}
	if len(content) > maxFile {
		return nil, &FileError{file, 1, 1, fmt.Sprintf("more than %d bytes", maxFile), "a workload"}
	}
	return content, nil
}

// decodeWorkload reads and checks the content of a file; name is what the
// workload is called if the content does not say it.
func decodeWorkload(file, name string, content []byte) (Workload, error) {
	d := newWorkloadFile(file, name, content)
	if err := d.read(); err != nil {
		return Workload{}, err
	}
	if f := d.w.check(); f != nil {
		named := func(option string) bool { return d.values[option].Length > 0 }
		place := unstable.Range{} // the file itself, if it names none of the options
		if i := slices.IndexFunc(f.options, named); i >= 0 {
			place = d.values[f.options[i]]
		}
		return Workload{}, d.fault(place, f)
	}
	return d.w, nil
}

// A FileError is what is wrong with a file, and where.
type FileError struct {
	File            string
	Line, Column    int // from 1; the column in bytes
	Found, Expected string
}

// Error returns "file:line:column: found …, expected …".
func (e *FileError) Error() string {
	return fmt.Sprintf("%s:%d:%d: found %s, expected %s", e.File, e.Line, e.Column, e.Found, e.Expected)
}

// A workloadFile is a workload file that is being read. The library's parser gives
// the places of names and values; what they mean is ours to say.
type workloadFile struct {
	file   string
	parser unstable.Parser
	w      Workload
	values map[string]unstable.Range // of the settings so far, by name
}

func newWorkloadFile(file, name string, content []byte) *workloadFile {
	d := &workloadFile{file: file, w: defaultWorkload, values: map[string]unstable.Range{}}
	d.w.Name = name
	d.parser.Reset(content)
	return d
}

func (d *workloadFile) fault(place unstable.Range, f *misfit) error {
	at := unstable.Position{Line: 1, Column: 1}
	if place.Length > 0 {
		at = d.parser.Shape(place).Start
	}
	return &FileError{d.file, at.Line, at.Column, f.found, f.expected}
}

// read sets what the file says, line by line.
func (d *workloadFile) read() error {
	for d.parser.NextExpression() {
		if err := d.expression(d.parser.Expression()); err != nil {
			return err
		}
	}
	if err := d.parser.Error(); err != nil {
		f := &misfit{found: "something else", expected: "TOML: " + shorten(err.Error())}
		var place unstable.Range
		var wrong *unstable.ParserError
		if errors.As(err, &wrong) && len(wrong.Highlight) > 0 {
			f.found = shorten(strconv.Quote(string(wrong.Highlight)))
			place = d.parser.Range(wrong.Highlight)
		}
		return d.fault(place, f)
	}
	for _, o := range headers[:2] {
		if value := o.get(&d.w); !o.set(&d.w, value) {
			found := fmt.Sprintf("%q for %s", shorten(value), o.name)
			return d.fault(unstable.Range{}, &misfit{found: found, expected: o.expected})
		}
	}
	return nil
}

// expression takes one line "name = value".
func (d *workloadFile) expression(e *unstable.Node) error {
	if e.Kind != unstable.KeyValue {
		table := e.Child() // its name
		return d.fault(table.Raw, &misfit{found: fmt.Sprintf("table %q", shorten(string(table.Data))),
			expected: "only lines of option = value"})
	}
	keys := e.Key()
	keys.Next()
	key := keys.Node()
	name := string(key.Data)
	o, known := lookup(name)
	for _, header := range headers {
		if header.name == name {
			o, known = header, true
		}
	}
	first, twice := d.values[name]
	switch {
	case !keys.IsLast():
		return d.fault(key.Raw, &misfit{found: "a dotted name", expected: "only lines of option = value"})
	case !known:
		return d.fault(key.Raw, unknownOption(shorten(name), headers))
	case twice:
		line := d.parser.Shape(first).Start.Line
		return d.fault(key.Raw, &misfit{found: name + " a second time",
			expected: fmt.Sprintf("it once, as in line %d", line)})
	}
	_, raw, _ := bytes.Cut(d.parser.Raw(e.Raw), []byte("="))
	raw = bytes.TrimSpace(raw)
	d.values[name] = d.parser.Range(raw)
	value := e.Value()
	given, fits := o.read(value)
	if fits {
		fits = o.set(&d.w, given)
	}
	if !fits {
		return d.fault(d.values[name], &misfit{
			found: shorten(string(raw)) + " for " + name, expected: o.expected + o.quotes(value),
		})
	}
	return nil
}

// quotes tells whether a value wants quotes, if it is that which is wrong.
func (o option) quotes(value *unstable.Node) string {
	switch {
	case value.Kind == unstable.String && o.form == formNumber && o.word == "":
		return ", without quotes"
	case value.Kind != unstable.String && o.form == formText:
		return ", in quotes"
	}
	return ""
}

// shorten cuts what a message would drown in, to a part of one line.
func shorten(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return s
}

// read returns the text of a value in a file, which a label would have for it.
// It reports false if the value is of another type than the option's.
func (o option) read(value *unstable.Node) (content string, ok bool) {
	data := string(value.Data)
	switch {
	case value.Kind == unstable.String:
		return data, o.form == formText || o.form == formNumber && o.word != "" && data == o.word
	case value.Kind == unstable.Integer && o.form == formNumber:
		n, ok := new(big.Int).SetString(data, 0)
		return fmt.Sprint(n), ok
	case value.Kind == unstable.Float && o.form == formNumber:
		return strings.ReplaceAll(data, "_", ""), true
	case value.Kind == unstable.Array && o.form == formList:
		var all []string
		for elements := value.Children(); elements.Next(); {
			element := elements.Node()
			if element.Kind != unstable.String {
				return "", false
			}
			all = append(all, string(element.Data))
		}
		return strings.Join(all, ","), true
	}
	return "", false
}

// line returns the option as a line of a file that sets it as w has it. No value
// has a control character, and without those Go's quotes are TOML's.
func (o option) line(w *Workload) string {
	value := o.get(w)
	switch {
	case o.form == formList && value != "":
		value = `["` + strings.ReplaceAll(value, ",", `", "`) + `"]`
	case o.form == formList:
		value = "[]"
	case o.form == formText || value == o.word:
		value = strconv.Quote(value)
	}
	line := o.name + " = " + value
	if o.meaning != "" {
		line = fmt.Sprintf("%-22s # %s", line, o.meaning)
	}
	return line + "\n"
}

// Describe returns the workload as a file that says everything: each option with
// its value and meaning. Read again, it is the same workload.
func (w Workload) Describe() string {
	var s strings.Builder
	for _, o := range headers {
		s.WriteString(o.line(&w))
	}
	for _, g := range optionGroups {
		s.WriteString("\n# " + g.title + "\n")
		for _, o := range g.options {
			s.WriteString(o.line(&w))
		}
	}
	return s.String()
}

// MarshalText returns what of the description differs from the defaults, so that
// who reads it needs no file, and does not need to know options that do nothing here.
func (w Workload) MarshalText() ([]byte, error) {
	var s strings.Builder
	for _, o := range headers {
		s.WriteString(o.line(&w))
	}
	for _, g := range optionGroups {
		for _, o := range g.options {
			if o.get(&w) != o.get(&defaultWorkload) {
				s.WriteString(o.line(&w))
			}
		}
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads a description, or a label as ParseWorkload does: that has
// one line.
func (w *Workload) UnmarshalText(content []byte) (err error) {
	if !strings.ContainsRune(string(content), '\n') {
		*w, err = ParseWorkload(string(content))
		return err
	}
	*w, err = decodeWorkload("loadgen: workload", "", content)
	return err
}
