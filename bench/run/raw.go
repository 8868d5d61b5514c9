package run

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"

	"informerlab/core/buffer"
)

// LossKey is the key of the file configuration that says what a buffer may lose.
// A result without it is of one that loses nothing.
const LossKey = "loss"

// DetailKey is the key of the metadata of units that explain others. Tables leave
// them out; benchstat does not.
const DetailKey = "detail"

// ReadRaw reads raw text, of a run or made of several, as a run whose blocks have one
// round: the n-th line of a benchmark is of the n-th block. name is used in errors, which
// tell file and line.
func ReadRaw(raw io.Reader, name string) (*Recorded, error) {
	r := &Recorded{Path: name}
	blocks := map[Row]int{}
	reader := benchfmt.NewReader(raw, name)
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.Result:
			row := rowOf(record.Name)
			blocks[row]++
			s := Slice{Row: row, Block: blocks[row], Round: 1, Values: map[string]float64{}}
			for _, v := range record.Values {
				value, unit := original(v)
				s.Values[unit] = value
			}
			r.add(s, buffer.Loss(record.GetConfig(LossKey)))
		case *benchfmt.SyntaxError:
			return nil, fmt.Errorf("run: %w", record)
		}
	}
	if err := reader.Err(); err != nil {
		return nil, fmt.Errorf("run: %s: %w", name, err)
	}
	return r, nil
}

// add adds a slice, and what its row says of arms and workloads.
func (r *Recorded) add(s Slice, loss buffer.Loss) {
	m := &r.Manifest
	known := func(a ArmInfo) bool { return a.Buffer == s.Buffer && a.Side == s.Side }
	if !slices.ContainsFunc(m.Arms, known) {
		if loss == "" {
			loss = buffer.Lossless
		}
		m.Arms = append(m.Arms, ArmInfo{Buffer: s.Buffer, Side: s.Side, Traits: buffer.Traits{Loss: loss}})
	}
	if !slices.Contains(m.Workloads, s.Workload) {
		m.Workloads = append(m.Workloads, s.Workload)
	}
	r.Slices = append(r.Slices, s)
}

// rowOf takes the name of a result apart, which has the options of a workload as parts.
func rowOf(name benchfmt.Name) (row Row) {
	base, parts := name.Parts()
	row.Workload = string(base) // where no part names it
	var options []string
	for _, part := range parts {
		key, value, _ := strings.Cut(strings.TrimPrefix(string(part), "/"), "=")
		switch key {
		case "workload":
			row.Workload = value
		case "buffer":
			row.Buffer = value
		case "side":
			row.Side = value
		default:
			options = append(options, key+"="+value)
		}
	}
	if len(options) > 0 {
		row.Workload += ":" + strings.Join(options, ",")
	}
	return row
}

// original returns a value in the unit that it was written in: the reader makes seconds
// of nanoseconds.
func original(v benchfmt.Value) (value float64, unit string) {
	if v.OrigUnit != "" {
		return v.OrigValue, v.OrigUnit
	}
	return v.Value, v.Unit
}

// Merge adds the blocks of a later run of the same to those of an earlier one.
func Merge(earlier, later *Recorded) *Recorded {
	all := *earlier
	all.Slices, all.Manifest.Arms = slices.Clone(all.Slices), slices.Clone(all.Manifest.Arms)
	all.Manifest.Workloads = slices.Clone(all.Manifest.Workloads)
	last := 0
	for _, s := range all.Slices {
		last = max(last, s.Block)
	}
	losses := map[string]buffer.Loss{}
	for _, a := range later.Manifest.Arms {
		losses[a.Buffer] = a.Traits.Loss
	}
	for _, s := range later.Slices {
		s.Block += last
		s.Values = maps.Clone(s.Values)
		all.add(s, losses[s.Buffer])
	}
	return &all
}
