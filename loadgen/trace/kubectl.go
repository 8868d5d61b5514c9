package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"informerlab/core/source"
)

// KubectlOptions say how FromKubectl makes a trace.
type KubectlOptions struct {
	Resource string // of all objects; "" = the plural of each object's kind
	// Rate is in events per second, evenly spaced behind the initial lists;
	// 0 = each event has the time at which it was read, from the first on.
	Rate float64
	Now  func() time.Time // the clock; nil = time.Now
}

// KubectlSummary counts what FromKubectl did that its input does not show.
type KubectlSummary struct {
	Records   int // written, with the bookmarks that end lists
	Listed    int // objects of initial lists
	Readded   int // ADDED of what exists, written as MODIFIED
	Unknown   int // MODIFIED of what does not exist, written as ADDED
	Ghosts    int // DELETED of what does not exist, left out
	Old       int // events no newer than what came before, left out
	Errors    int // events of type ERROR, left out
	LastError string
	CutOff    string // where the input ends in the midst of a value, which is left out; "" = it does not
}

// String says in one line what was done, and all that was changed or left out.
func (s KubectlSummary) String() string {
	text := fmt.Sprintf("%d records, %d objects in initial lists", s.Records, s.Listed)
	for _, c := range []struct {
		n    int
		what string
	}{
		{s.Readded, "ADDED of known keys made MODIFIED"},
		{s.Unknown, "MODIFIED of unknown keys made ADDED"},
		{s.Ghosts, "DELETED of unknown keys left out"},
		{s.Old, "events with versions that do not rise left out"},
		{s.Errors, "ERROR events left out"},
	} {
		if c.n > 0 {
			text += fmt.Sprintf(", %d %s", c.n, c.what)
		}
	}
	if s.LastError != "" {
		text += ", the last one: " + s.LastError
	}
	if s.CutOff != "" {
		text += ", a value cut off at " + s.CutOff + " left out"
	}
	return text
}

// FromKubectl makes a trace of what kubectl get RESOURCE -w -o json
// --output-watch-events prints: watch events as JSON values on any number of
// lines. It takes a list, too, as kubectl get prints it without -w. The
// objects that are ADDED before anything else happens to a resource are its
// initial list. name is the input's name, for messages.
//
// It tolerates what kubectl does when a watch breaks and is opened anew, and
// counts it. Input that is something else is an *Error with a place in it; what
// was written until then is no whole trace. It writes w, which carries objects
// if its header says so, but does not close it.
func FromKubectl(in io.Reader, name string, w *Writer, o KubectlOptions) (KubectlSummary, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	lines := &lineCounter{r: in, line: 1, column: 1}
	k := kubectl{options: o, name: name, writer: w, watches: map[string]*kubectlWatch{}}
	decoder := json.NewDecoder(lines)
	for {
		var value json.RawMessage
		err := decoder.Decode(&value)
		if err == nil {
			k.value = value
			k.line, k.column = lines.place(decoder.InputOffset() - int64(len(value)))
			if err = k.take(o.Now()); err != nil {
				return k.summary, err
			}
			continue
		}
		if err == io.EOF {
			return k.finish()
		}
		if errors.Is(err, io.ErrUnexpectedEOF) && lines.err == io.EOF {
			k.line, k.column = lines.place(math.MaxInt64)
			k.summary.CutOff = fmt.Sprintf("%s:%d:%d", name, k.line, k.column)
			return k.finish()
		}
		return k.summary, k.unreadable(err, lines)
	}
}

// A kubectl turns values into records.
type kubectl struct {
	options      KubectlOptions
	name         string
	writer       *Writer
	watches      map[string]*kubectlWatch
	recent       []*kubectlWatch // in the order of their first objects
	summary      KubectlSummary
	value        []byte // that is being read
	line, column int    // where it begins
	began        time.Time
	events       int   // behind the initial lists
	last         int64 // T of the last record
	compact      bytes.Buffer
}

type kubectlWatch struct {
	resource []byte
	keys     map[string]struct{}
	listed   bool
	newest   uint64
}

func (k *kubectl) unreadable(err error, lines *lineCounter) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line, column := lines.place(syntax.Offset - 1)
		return &Error{k.name, line, column, syntax.Error(), "JSON as kubectl prints it", nil}
	}
	line, column := lines.place(math.MaxInt64)
	return &Error{k.name, line, column, fmt.Sprintf("a failure to read (%s)", excerpt([]byte(err.Error()))),
		"the rest of the input", err}
}

// fail returns the error for what lies at an offset of the value.
func (k *kubectl) fail(wrong *fault) error {
	before := k.value[:wrong.at]
	line, column := k.line+bytes.Count(before, []byte("\n")), k.column+wrong.at
	if newline := bytes.LastIndexByte(before, '\n'); newline >= 0 {
		column = wrong.at - newline
	}
	return &Error{k.name, line, column, wrong.found, wrong.expected, nil}
}

// take takes one value: a watch event or a list.
func (k *kubectl) take(now time.Time) error {
	if k.began.IsZero() {
		k.began = now
	}
	if k.options.Rate == 0 {
		k.last = max(k.last, int64(now.Sub(k.began)))
	}
	if k.value[0] != '{' {
		return k.fail(&fault{0, excerpt(k.value), "a watch event or a list"})
	}
	var typ, object, items, kind span
	members(k.value, 0, func(name []byte, value span) {
		switch string(name) {
		case "type":
			typ = value
		case "object":
			object = value
		case "items":
			items = value
		case "kind":
			kind = value
		}
	})
	switch {
	case items.there() && k.value[items.from] == '[':
		return k.list(items, strings.TrimSuffix(k.text(kind), "List"))
	case !typ.there():
		return k.fail(&fault{0, "a value without type", "a watch event: kubectl needs --output-watch-events"})
	case !object.there() || k.value[object.from] != '{':
		return k.fail(&fault{max(object.from, 0), "no object", `"object":{…} in a watch event`})
	}
	text := k.text(typ)
	if text == "ERROR" {
		k.summary.Errors++
		k.summary.LastError = k.message(object)
		return nil
	}
	event := typeOf([]byte(text))
	if event == 0 {
		found := "type = " + excerpt(typ.of(k.value))
		return k.fail(&fault{typ.from, found, "ADDED, MODIFIED, DELETED, BOOKMARK or ERROR"})
	}
	return k.event(event, object, "")
}

// message returns what a Status says.
func (k *kubectl) message(status span) (message string) {
	message = "without a message"
	members(k.value, status.from, func(name []byte, value span) {
		if string(name) == "message" {
			message = excerpt([]byte(k.text(value)))
		}
	})
	return message
}

// text returns the text of a string in the value, "" if it is none.
func (k *kubectl) text(s span) string {
	if !s.there() || k.value[s.from] != '"' {
		return ""
	}
	return string(unquote(s.of(k.value)))
}

func (k *kubectl) list(items span, kind string) error {
	for at := skipSpace(k.value, items.from+1); k.value[at] != ']'; {
		item := span{at, skipValue(k.value, at)}
		if k.value[at] != '{' {
			return k.fail(&fault{at, excerpt(item.of(k.value)), "an object in the list"})
		}
		if err := k.event(source.Added, item, kind); err != nil {
			return err
		}
		if at = skipSpace(k.value, item.to); k.value[at] == ',' {
			at = skipSpace(k.value, at+1)
		}
	}
	return nil
}

// event takes what happened to an object. kind is for objects without one.
func (k *kubectl) event(event source.EventType, object span, kind string) error {
	rec := Record{Type: event}
	p := parser{text: k.value, where: &places{}, names: &fieldNames}
	for f := range p.where {
		p.where[f] = object.from
	}
	p.spans[fieldObject] = object
	p.object(&rec)
	p.identity(&rec)
	if p.wrong != nil {
		return k.fail(p.wrong)
	}
	name := k.options.Resource
	if name == "" {
		members(k.value, object.from, func(name []byte, value span) {
			if text := k.text(value); string(name) == "kind" && text != "" {
				kind = text
			}
		})
		if name = plural(kind); name == "" {
			return k.fail(&fault{object.from, "an object without kind", "one, or -resource"})
		}
	}
	k.compact.Reset()
	if err := json.Compact(&k.compact, rec.Object); err != nil {
		return k.fail(&fault{object.from, err.Error(), "a JSON object"}) // cannot be: it was decoded
	}
	rec.Object, rec.Size = k.compact.Bytes(), int64(k.compact.Len())
	w := k.watches[name]
	if w == nil {
		w = &kubectlWatch{resource: []byte(name), keys: map[string]struct{}{}}
		k.watches[name], k.recent = w, append(k.recent, w)
	}
	rec.Resource = w.resource
	return k.put(w, &rec)
}

// put writes a record that may follow, or what comes next to it.
func (k *kubectl) put(w *kubectlWatch, rec *Record) error {
	_, exists := w.keys[string(rec.Key)]
	if !w.listed && rec.Type == source.Added && !exists {
		w.keys[string(rec.Key)], w.newest = struct{}{}, max(w.newest, rec.Version)
		rec.Initial = true
		k.summary.Listed++
		return k.write(rec)
	}
	if rec.Version < w.newest || rec.Version == w.newest && rec.Type != source.Bookmark {
		k.summary.Old++
		return nil
	}
	if rec.Type == source.Deleted && !exists {
		k.summary.Ghosts++
		return nil
	}
	if err := k.endList(w, rec.Version-1); err != nil {
		return err
	}
	if rec.Version <= w.newest && rec.Type != source.Bookmark { // version 1, which an empty list has taken
		k.summary.Old++
		return nil
	}
	w.newest = rec.Version
	switch {
	case rec.Type == source.Deleted:
		delete(w.keys, string(rec.Key))
	case rec.Type == source.Added && exists:
		rec.Type = source.Modified
		k.summary.Readded++
	case rec.Type == source.Modified && !exists:
		rec.Type = source.Added
		k.summary.Unknown++
	}
	if rec.Type == source.Added {
		w.keys[string(rec.Key)] = struct{}{}
	}
	if k.events++; k.options.Rate > 0 {
		k.last = int64(float64(k.events) * (1e9 / k.options.Rate))
	}
	return k.write(rec)
}

// endList ends the initial list of a resource, if it has not ended. A list
// without objects has the version before the first event's, since it has no
// other one.
func (k *kubectl) endList(w *kubectlWatch, before uint64) error {
	if w.listed {
		return nil
	}
	w.listed = true
	if w.newest == 0 {
		w.newest = max(before, 1)
	}
	end := Record{Resource: w.resource, Type: source.Bookmark, Initial: true}
	end.setVersion(w.newest)
	return k.write(&end)
}

func (k *kubectl) write(rec *Record) error {
	rec.T = k.last
	k.summary.Records++
	return k.writer.Write(rec)
}

func (k *kubectl) finish() (KubectlSummary, error) {
	for _, w := range k.recent {
		if err := k.endList(w, w.newest); err != nil {
			return k.summary, err
		}
	}
	if k.summary.Records == 0 {
		return k.summary, &Error{k.name, 1, 1, "the end of the input", "at least one watch event", nil}
	}
	return k.summary, nil
}

// plural returns the name of a kind's resource, as the API forms it.
func plural(kind string) string {
	name := strings.ToLower(kind)
	switch {
	case name == "", name == "endpoints":
		return name
	case strings.HasSuffix(name, "s"), strings.HasSuffix(name, "x"),
		strings.HasSuffix(name, "ch"), strings.HasSuffix(name, "sh"):
		return name + "es"
	}
	if stem, found := strings.CutSuffix(name, "y"); found && !strings.ContainsAny(stem[max(0, len(stem)-1):], "aeiou") {
		return stem + "ies"
	}
	return name + "s"
}

// A lineCounter knows in which line and column of what it has read an offset is.
type lineCounter struct {
	r            io.Reader
	err          error // of the last read
	offset       int64 // read
	newlines     []int64
	line, column int   // of base
	base         int64 // the offset of the last place asked for
}

func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i, c := range p[:n] {
		if c == '\n' {
			l.newlines = append(l.newlines, l.offset+int64(i))
		}
	}
	l.offset, l.err = l.offset+int64(n), err
	return n, err
}

// place returns the line and column of an offset, which is not below the one
// asked for before.
func (l *lineCounter) place(offset int64) (line, column int) {
	offset = min(offset, l.offset)
	passed := 0
	for passed < len(l.newlines) && l.newlines[passed] < offset {
		l.line, l.column, l.base = l.line+1, 1, l.newlines[passed]+1
		passed++
	}
	l.newlines = append(l.newlines[:0], l.newlines[passed:]...)
	l.column += int(offset - l.base)
	l.base = offset
	return l.line, l.column
}
