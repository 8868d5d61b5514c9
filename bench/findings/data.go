package findings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"informerlab/bench/format"
	"informerlab/bench/run"
	"informerlab/bench/stats"
)

// schema is the version of data files.
const schema = 1

// Data are what a page is made from: the content of its data file.
type Data struct {
	Schema      int             `json:"schema"`
	Finding     string          `json:"finding"`
	Environment run.Environment `json:"environment"`
	Seed        uint64          `json:"seed"`   // of the orders of measurement
	Blocks      int             `json:"blocks"` // that were planned
	// Loads are the load averages of the machine at the begin of each block, so as
	// many as there are blocks.
	Loads []float64 `json:"loads"`
	// Facts are what follows from the recorded trace alone, by row and column.
	Facts map[string]map[string]float64 `json:"facts,omitempty"`
	// Measured are the figures of each arm by name, one per block.
	Measured map[string]map[string][]float64 `json:"measured"`
}

// parse reads a data file. path is for messages.
func parse(path string, text []byte) (*Data, error) {
	d := &Data{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(d); err != nil {
		return nil, fmt.Errorf("findings: %s: found no data of a finding (%w), expected JSON as lab finding writes it",
			path, err)
	}
	if d.Schema != schema {
		return nil, fmt.Errorf("findings: %s: found schema %d, expected %d: measure it again", path, d.Schema, schema)
	}
	for arm, figures := range d.Measured {
		for unit, values := range figures {
			if len(values) != len(d.Loads) {
				return nil, fmt.Errorf("findings: %s: %s: %s: found %d values, expected one for each of %d blocks",
					path, arm, unit, len(values), len(d.Loads))
			}
		}
	}
	return d, nil
}

// complete returns an error unless all planned blocks are there, and all arms.
func (d *Data) complete(f *Finding, path string) error {
	if len(d.Loads) != d.Blocks || d.Blocks < 1 {
		return fmt.Errorf("findings: %s: found %d blocks, expected the %d that were planned",
			path, len(d.Loads), d.Blocks)
	}
	if f.facts != nil && len(d.Facts) == 0 {
		return fmt.Errorf("findings: %s: found no facts of the recorded trace, expected those that %s is about",
			path, f.Name)
	}
	for _, row := range slices.Sorted(maps.Keys(d.Facts)) {
		for _, column := range f.columns {
			if _, ok := d.Facts[row][column]; !ok {
				return fmt.Errorf("findings: %s: facts of %q: found no %q, expected it: measure it again",
					path, row, column)
			}
		}
	}
	required := f.required()
	for _, arm := range slices.Sorted(maps.Keys(required)) {
		if d.Measured[arm] == nil {
			return fmt.Errorf("findings: %s: found nothing of %q, expected all that %s compares", path, arm, f.Name)
		}
		for _, unit := range required[arm] {
			if d.Measured[arm][unit] == nil {
				return fmt.Errorf("findings: %s: %s: found no %q, expected it in each block", path, arm, unit)
			}
		}
	}
	return nil
}

// add adds a block. Four digits are more than a block can tell.
func (d *Data) add(load float64, measured map[string]map[string]float64) {
	d.Loads = append(d.Loads, load)
	for arm, figures := range measured {
		if d.Measured[arm] == nil {
			d.Measured[arm] = map[string][]float64{}
		}
		for unit, value := range figures {
			d.Measured[arm][unit] = append(d.Measured[arm][unit], digits4(value))
		}
	}
}

func digits4(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// save replaces a file whole, so that nobody finds half of it.
func (d *Data) save(path string) error {
	text, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		return fmt.Errorf("findings: %w", err)
	}
	return replace(path, append(lists(text), '\n'))
}

// lists puts the numbers of each list on one line.
func lists(text []byte) []byte {
	var out bytes.Buffer
	inside := false
	for line := range bytes.Lines(text) {
		trimmed := bytes.TrimSpace(line)
		switch {
		case inside && bytes.HasPrefix(trimmed, []byte("]")):
			inside = false
			out.Write(bytes.TrimLeft(line, " "))
		case inside:
			out.Write(trimmed)
		case bytes.HasSuffix(trimmed, []byte("[")):
			inside = true
			out.Write(bytes.TrimRight(line, "\n"))
		default:
			out.Write(line)
		}
	}
	return out.Bytes()
}

func replace(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("findings: %w", err)
	}
	return run.Replace(path, content)
}

// A figure is a median over blocks with the range of all.
type figure struct{ median, low, high float64 }

// figure returns a figure of an arm. What a file lacks is all zero: complete has
// seen to the arms.
func (d *Data) figure(arm, unit string) figure {
	values := d.Measured[arm][unit]
	if len(values) == 0 {
		return figure{}
	}
	return figure{stats.Median(values), slices.Min(values), slices.Max(values)}
}

// ratio writes how many times a figure of another arm an arm has, block by block.
func (d *Data) ratio(arm, base, unit string) string {
	var logs []float64
	for i, own := range d.Measured[arm][unit] {
		logs = append(logs, stats.LogRatio(d.Measured[base][unit][i:i+1], []float64{own}))
	}
	e := stats.Compare(logs)
	return format.Interval(math.Exp(e.Mean), math.Exp(e.Low), math.Exp(e.High))
}

// surplus returns by how much more an arm has than another, block by block: the mean
// with its 95 % interval.
func (d *Data) surplus(arm, unit, base, baseUnit string) figure {
	own, other := d.Measured[arm][unit], d.Measured[base][baseUnit]
	var values []float64
	for i := range min(len(own), len(other)) {
		values = append(values, own[i]-other[i])
	}
	e := stats.Compare(values)
	return figure{e.Mean, e.Low, e.High}
}
