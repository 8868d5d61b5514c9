package run

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"informerlab/bench/worker"
)

// Files are those of a folder that grow. What is added lies in memory until it is
// flushed, so that a file never has half of it for longer than that takes.
type files struct {
	open      map[string]*os.File
	length    map[string]int64
	raw       bytes.Buffer
	slices    []Slice // all
	unflushed int     // the first of slices that is not on disk
	latency   bytes.Buffer
	timelines []Timeline // that are not on disk
}

// growing are the names of the files, in the order in which they are written.
var growing = []string{rawName, slicesName, latencyName, timelineName}

func createFiles(folder string) (*files, error) {
	f := &files{open: map[string]*os.File{}, length: map[string]int64{}}
	for _, name := range growing {
		file, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("run: results folder: %w", err), f.close())
		}
		f.open[name] = file
	}
	log := hdrhistogram.NewHistogramLogWriter(&f.latency)
	err := errors.Join(log.OutputLogFormatVersion(), log.OutputComment("[nanoseconds from intended time to call]\n"),
		log.OutputLegend())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("run: %s: %w", latencyName, err), f.close())
	}
	return f, nil
}

// reopenFiles opens the files of a run that is to be resumed, and cuts off what
// is not whole.
func reopenFiles(folder string, recorded *Recorded) (*files, error) {
	f := &files{
		open: map[string]*os.File{}, length: map[string]int64{},
		slices: recorded.Slices, unflushed: len(recorded.Slices),
	}
	for _, name := range growing {
		file, err := os.OpenFile(filepath.Join(folder, name), os.O_WRONLY, 0)
		if err == nil {
			f.open[name], f.length[name] = file, recorded.Manifest.Kept[name]
			err = file.Truncate(f.length[name])
		}
		if err == nil {
			_, err = file.Seek(f.length[name], 0)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("run: resume: %w", err), f.close())
		}
	}
	return f, nil
}

// close closes what is open. f may be nil.
func (f *files) close() (err error) {
	if f == nil {
		return nil
	}
	for name, file := range f.open {
		err = errors.Join(err, file.Close())
		delete(f.open, name)
	}
	return err
}

// flush writes what was added and makes sure that it is on disk. It returns the
// lengths of all files.
func (f *files) flush() (lengths map[string]int64, err error) {
	slices, err := compressed(f.slicesText())
	if err != nil {
		return nil, err
	}
	timelines, err := compressed(f.timelinesText())
	if err != nil {
		return nil, err
	}
	lengths = map[string]int64{}
	for _, part := range []struct {
		name string
		text []byte
	}{
		{rawName, f.raw.Bytes()}, {slicesName, slices}, {latencyName, f.latency.Bytes()}, {timelineName, timelines},
	} {
		file := f.open[part.name]
		n, err := file.Write(part.text)
		f.length[part.name] += int64(n)
		if err == nil && len(part.text) > 0 {
			err = file.Sync()
		}
		if err != nil {
			return nil, fmt.Errorf("run: %w", err)
		}
		lengths[part.name] = f.length[part.name]
	}
	f.raw.Reset()
	f.latency.Reset()
	f.timelines, f.unflushed = nil, len(f.slices)
	return lengths, nil
}

// compressed returns records as a member of a gzip file.
func compressed(records [][]string) ([]byte, error) {
	if len(records) == 0 {
		return nil, nil
	}
	var text bytes.Buffer
	zip := gzip.NewWriter(&text)
	if err := errors.Join(csv.NewWriter(zip).WriteAll(records), zip.Close()); err != nil {
		return nil, fmt.Errorf("run: compress: %w", err)
	}
	return text.Bytes(), nil
}

func (f *files) addSlice(s Slice, r *worker.Result) {
	s.Steal, s.Pressure, s.Others = r.Steal, r.Pressure, r.OthersCPU
	s.Values = valuesOf(r)
	f.slices = append(f.slices, s)
}

// sliceColumns are the columns of slices.csv.gz before those of units.
var sliceColumns = []string{
	"block", "round", "position", "workload", "buffer", "side", "at_ms", "steal", "pressure", "others",
}

// columns returns the head of slices.csv.gz.
func columns() []string {
	head := append([]string(nil), sliceColumns...)
	for _, u := range worker.Units() {
		head = append(head, u.Name)
	}
	return head
}

// slicesText returns the lines of slices that are not on disk, at first with a head.
func (f *files) slicesText() (records [][]string) {
	if f.length[slicesName] == 0 {
		records = append(records, columns())
	}
	for _, s := range f.slices[f.unflushed:] {
		record := []string{
			strconv.Itoa(s.Block), strconv.Itoa(s.Round), strconv.Itoa(s.Position), s.Workload, s.Buffer, s.Side,
			strconv.FormatInt(s.At.Milliseconds(), 10), number(s.Steal), number(s.Pressure), number(s.Others),
		}
		for _, u := range worker.Units() {
			value, measured := s.Values[u.Name]
			text := ""
			if measured {
				text = number(value)
			}
			record = append(record, text)
		}
		records = append(records, record)
	}
	return records
}

// number formats with six digits: more than any timing has.
func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// addLatency adds a row's histogram of one block, if its runs have one: of what was
// measured, which is the upper bound where the generator was late.
func (f *files) addLatency(row Row, base, began time.Time, results []*worker.Result) error {
	var all *hdrhistogram.Histogram
	for _, r := range results {
		if r.Histogram == "" {
			continue
		}
		h, err := hdrhistogram.Decode([]byte(r.Histogram))
		switch {
		case err != nil:
			return fmt.Errorf("run: histogram of %s: %w", row, err)
		case all == nil:
			all = h
		default:
			all.Merge(h)
		}
	}
	if all == nil {
		return nil
	}
	all.SetTag(row.tag())
	all.SetStartTimeMs(began.Sub(base).Milliseconds())
	all.SetEndTimeMs(time.Since(base).Milliseconds())
	if err := hdrhistogram.NewHistogramLogWriter(&f.latency).OutputIntervalHistogram(all); err != nil {
		return fmt.Errorf("run: %s: %w", latencyName, err)
	}
	return nil
}

// tag returns the row as a tag of a histogram log, which has neither commas nor
// spaces.
func (r Row) tag() string {
	return url.Values{"workload": {r.Workload}, "buffer": {r.Buffer}, "side": {r.Side}}.Encode()
}

func (f *files) addTimeline(row Row, block int, samples []worker.Sample) {
	if len(samples) == 0 {
		return
	}
	t := Timeline{Row: row, Block: block}
	for _, s := range samples {
		t.Samples = append(t.Samples, Sample{
			At: time.Duration(s.AtNS), Pending: s.Pending, Oldest: time.Duration(s.OldestNS),
			Bytes: s.Bytes, Heap: s.Heap, GCs: s.GCs,
		})
	}
	f.timelines = append(f.timelines, t)
}

// timelineColumns are the columns of timeline.csv.gz.
var timelineColumns = []string{
	"block", "workload", "buffer", "side", "at_us", "pending", "oldest_us", "bytes", "heap", "gcs",
}

func (f *files) timelinesText() (records [][]string) {
	if f.length[timelineName] == 0 {
		records = append(records, timelineColumns)
	}
	for _, t := range f.timelines {
		for _, s := range t.Samples {
			records = append(records, []string{
				strconv.Itoa(t.Block), t.Workload, t.Buffer, t.Side, strconv.FormatInt(s.At.Microseconds(), 10),
				strconv.Itoa(s.Pending), strconv.FormatInt(s.Oldest.Microseconds(), 10),
				strconv.FormatInt(s.Bytes, 10), strconv.FormatInt(s.Heap, 10), strconv.Itoa(s.GCs),
			})
		}
	}
	return records
}
