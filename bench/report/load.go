package report

import (
	"slices"
	"strconv"
	"strings"
)

// A Load is the label of a workload, taken apart.
type Load struct {
	Label, Name string
	options     [][2]string
}

// ParseLoad takes a label such as "steady:rate=50_000,listeners=8" apart.
func ParseLoad(label string) Load {
	l := Load{Label: label}
	name, options, _ := strings.Cut(label, ":")
	l.Name = name
	for part := range strings.SplitSeq(options, ",") {
		if key, value, found := strings.Cut(part, "="); found {
			l.options = append(l.options, [2]string{key, value})
		}
	}
	return l
}

// Loads takes labels apart.
func Loads(labels []string) (all []Load) {
	for _, label := range labels {
		all = append(all, ParseLoad(label))
	}
	return all
}

// Option returns the value of an option; "" if the label does not have it.
func (l *Load) Option(key string) string {
	for _, o := range l.options {
		if o[0] == key {
			return o[1]
		}
	}
	return ""
}

// Number returns the value of an option that is one, underscores and all.
func (l *Load) Number(key string) (float64, bool) {
	v, err := strconv.ParseFloat(strings.ReplaceAll(l.Option(key), "_", ""), 64)
	return v, err == nil
}

// Without returns the label less some options: what loads share that differ in these.
func (l *Load) Without(keys ...string) string {
	label, separator := l.Name, ":"
	for _, o := range l.options {
		if !slices.Contains(keys, o[0]) {
			label += separator + o[0] + "=" + o[1]
			separator = ","
		}
	}
	return label
}
