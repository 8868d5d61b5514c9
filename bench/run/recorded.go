package run

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Recorded is a run as its folder keeps it. It is for reading only.
type Recorded struct {
	Path      string
	Manifest  Manifest
	Raw       []byte     // the benchmark text, as far as it is whole
	Slices    []Slice    // by block and workload, in the order of measurement
	Latencies []Latency  // one per row of an open loop, over all blocks and rounds
	Timelines []Timeline // of the first round of each block, for loads that stall or are open

	columns []string // of slices.csv.gz; an older lab had fewer
}

// A Row is what figures belong to.
type Row struct {
	Workload string // a label such as "saturate:listeners=8"
	Buffer   string // with its options
	Side     string // "" in a run of one program
}

// String returns the row as one label.
func (r Row) String() string { return r.Workload + " " + Arm{Buffer: r.Buffer, Side: r.Side}.String() }

// A Slice is one measured run of one arm.
type Slice struct {
	Row
	Block, Round, Position int           // from 1; Position is in the random order of the round
	At                     time.Duration // its begin, since the run's
	// Steal, Pressure and Others are shares of the timed window, from 0 to 1 and
	// negative where not known: see worker.Result.
	Steal, Pressure, Others float64
	// Values are metrics by unit. Of a latency whose generator was late they have the lower
	// bound too, under worker.LowerOf its unit.
	Values map[string]float64
}

// A Latency is the histogram of a row, in nanoseconds from the intended time.
type Latency struct {
	Row
	Histogram *hdrhistogram.Histogram
}

// A Timeline is how the backlog of a row went during one run.
type Timeline struct {
	Row
	Block   int
	Samples []Sample
}

// A Sample is one look at a run; see worker.Sample.
type Sample struct {
	At      time.Duration
	Pending int
	Oldest  time.Duration
	Bytes   int64
	Heap    int64
	GCs     int
}

// ErrNoRun says that a folder holds no run.
var ErrNoRun = errors.New("no run")

// Open reads the folder of a run that has ended, was interrupted or killed, or is
// still going on: what is in it up to the last workload that was measured whole. A
// run that says that it is running, though no process holds its lock, is one that was
// interrupted.
// Anything that is not as a run left it is an error with file and line.
func Open(path string) (*Recorded, error) {
	r := &Recorded{Path: path}
	text, err := os.ReadFile(filepath.Join(path, manifestName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("run: %s: %w in it: expected a folder with %s", path, ErrNoRun, manifestName)
	case err != nil:
		return nil, fmt.Errorf("run: %w", err)
	}
	var version struct{ Schema int }
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, fmt.Errorf("run: %s: %w", filepath.Join(path, manifestName), err)
	}
	if version.Schema != schema {
		return nil, fmt.Errorf("run: %s: found schema %d, expected %d: it was written by another version of lab",
			filepath.Join(path, manifestName), version.Schema, schema)
	}
	if err := json.Unmarshal(text, &r.Manifest); err != nil {
		return nil, fmt.Errorf("run: %s: %w", filepath.Join(path, manifestName), err)
	}
	if r.Manifest.Status == statusRunning && !locked(filepath.Join(path, lockName)) {
		r.Manifest.Status = statusInterrupted // whoever ran it is dead
	}
	for name, parse := range map[string]func([]byte) error{
		rawName:      func(text []byte) error { r.Raw = text; return nil },
		slicesName:   r.parseSlices,
		latencyName:  r.parseLatencies,
		timelineName: r.parseTimelines,
	} {
		text, err := r.read(name)
		if err == nil {
			err = parse(text)
		}
		if err != nil {
			return nil, fmt.Errorf("run: %s: %w", filepath.Join(path, name), err)
		}
	}
	return r, nil
}

// read returns a file as far as it is whole.
func (r *Recorded) read(name string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(r.Path, name))
	if err != nil {
		return nil, err
	}
	kept, told := r.Manifest.Kept[name]
	switch {
	case !told:
		return nil, fmt.Errorf("%s does not tell its length", manifestName)
	case int64(len(text)) < kept:
		return nil, fmt.Errorf("cut short: found %d bytes, expected %d", len(text), kept)
	}
	return text[:kept], nil
}

// records calls f with each line of a compressed table after the head, which has
// to begin as given.
func records(text []byte, begin []string, f func(head, record []string) error) error {
	if len(text) == 0 {
		return nil
	}
	zip, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return err
	}
	lines := csv.NewReader(zip)
	lines.ReuseRecord = true
	var head []string
	for line := 1; ; line++ {
		record, err := lines.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case line == 1 && !slices.Equal(record[:min(len(begin), len(record))], begin):
			return fmt.Errorf("line 1: found columns %s, expected %s first: it was written by another version of lab",
				strings.Join(record, ","), strings.Join(begin, ","))
		case line == 1:
			head = slices.Clone(record)
			continue
		}
		if err := f(head, record); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// A cells parses the fields of a record one after the other.
type cells struct {
	left []string
	err  error
}

func (c *cells) text() string {
	value := c.left[0]
	c.left = c.left[1:]
	return strings.Clone(value)
}

func (c *cells) number() float64 {
	v, err := strconv.ParseFloat(c.text(), 64)
	c.err = errors.Join(c.err, err)
	return v
}

func (c *cells) int() int64 {
	v, err := strconv.ParseInt(c.text(), 10, 64)
	c.err = errors.Join(c.err, err)
	return v
}

func (r *Recorded) parseSlices(text []byte) error {
	return records(text, sliceColumns, func(head, record []string) error {
		r.columns = head
		c := &cells{left: record}
		s := Slice{Block: int(c.int()), Round: int(c.int()), Position: int(c.int())}
		s.Row = Row{c.text(), c.text(), c.text()}
		s.At = time.Duration(c.int()) * time.Millisecond
		s.Steal, s.Pressure, s.Others = c.number(), c.number(), c.number()
		s.Values = map[string]float64{}
		for _, unit := range head[len(sliceColumns):] {
			if c.left[0] == "" {
				c.left = c.left[1:]
				continue
			}
			s.Values[unit] = c.number()
		}
		r.Slices = append(r.Slices, s)
		return c.err
	})
}

func (r *Recorded) parseTimelines(text []byte) error {
	return records(text, timelineColumns, func(_, record []string) error {
		c := &cells{left: record}
		block := int(c.int())
		row := Row{c.text(), c.text(), c.text()}
		last := len(r.Timelines) - 1
		if last < 0 || r.Timelines[last].Row != row || r.Timelines[last].Block != block {
			r.Timelines = append(r.Timelines, Timeline{Row: row, Block: block})
			last++
		}
		r.Timelines[last].Samples = append(r.Timelines[last].Samples, Sample{
			At: time.Duration(c.int()) * time.Microsecond, Pending: int(c.int()),
			Oldest: time.Duration(c.int()) * time.Microsecond, Bytes: c.int(), Heap: c.int(), GCs: int(c.int()),
		})
		return c.err
	})
}

// parseLatencies merges the histograms of each row.
func (r *Recorded) parseLatencies(text []byte) error {
	at := map[Row]int{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for line := 1; lines.Scan(); line++ {
		tag, rest, tagged := strings.Cut(lines.Text(), ",")
		if !tagged || !strings.HasPrefix(tag, "Tag=") {
			continue // comments and the legend
		}
		values, err := url.ParseQuery(strings.TrimPrefix(tag, "Tag="))
		if err != nil {
			return fmt.Errorf("line %d: tag: %w", line, err)
		}
		row := Row{values.Get("workload"), values.Get("buffer"), values.Get("side")}
		h, err := hdrhistogram.Decode([]byte(rest[strings.LastIndexByte(rest, ',')+1:]))
		if err != nil {
			return fmt.Errorf("line %d: histogram: %w", line, err)
		}
		if i, known := at[row]; known {
			r.Latencies[i].Histogram.Merge(h)
			continue
		}
		at[row] = len(r.Latencies)
		r.Latencies = append(r.Latencies, Latency{row, h})
	}
	return lines.Err()
}

// CompareNames orders names alphabetically, but runs of digits as numbers. The
// order of first appearance would be the random order of measurement.
func CompareNames(a, b string) int {
	for a != "" && b != "" {
		digitsA, digitsB := leadingDigits(a), leadingDigits(b)
		if digitsA > 0 && digitsB > 0 {
			c := cmp.Or(cmp.Compare(digitsA, digitsB), cmp.Compare(a[:digitsA], b[:digitsB]))
			if c != 0 {
				return c
			}
			a, b = a[digitsA:], b[digitsB:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func leadingDigits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }
