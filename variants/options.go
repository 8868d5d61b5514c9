package variants

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"informerlab/core/buffer"
	"informerlab/variants/bounded"
)

// What a bounded buffer has that is named without them.
const (
	// defaultCapacity is the number of slots that client-go gives each
	// listener before the first notification, and room for a controller's
	// batch of 1,000.
	defaultCapacity = 1024
	// defaultTimeout is the most that the API server waits for its slow
	// watchers at a time (maxBudget in apiserver's
	// pkg/storage/cacher/time_budget.go), who are in the listeners' place there.
	defaultTimeout = 100 * time.Millisecond
)

// mostInitial is the largest ring that a reference begins with: beyond what any
// backlog of the lab needs, and small enough that a slip of the keyboard does
// not fill the memory.
const mostInitial = 1 << 24

// findReference returns the row of the reference with another initial size.
func findReference[T any](v Variant[T], spec, options string) (Variant[T], error) {
	initial, err := parseInitial(options)
	if err != nil {
		return Variant[T]{}, err
	}
	v.Name = spec
	v.New = func(p buffer.Params[T]) buffer.Buffer[T] { return buffer.NewReferenceSized(initial, p) }
	return v, nil
}

// parseInitial reads the only option of the reference.
func parseInitial(options string) (slots int, err error) {
	value, ok := strings.CutPrefix(options, "initial=")
	slots, err = strconv.Atoi(value)
	if !ok || err != nil || slots < 0 || slots > mostInitial {
		return 0, fmt.Errorf("variants: reference: option %q: there is initial=N, from 0 to %d slots",
			options, mostInitial)
	}
	return slots, nil
}

const boundedPrefix = "bounded:"

// newBounded returns the row of a policy, with the default options.
func newBounded[T any](word string, policy buffer.Policy, summary string) Variant[T] {
	v := Variant[T]{
		Name: boundedPrefix + word, Summary: summary, KeptBytes: bounded.KeptBytes,
		Traits: buffer.Traits{
			Order: buffer.FIFO, Loss: buffer.DropsNew, Bound: buffer.ByCapacity, Producers: buffer.Many,
		},
	}
	timeout := time.Duration(0)
	switch policy {
	case buffer.DropOldest:
		v.Traits.Loss = buffer.DropsOld
	case buffer.Block:
		v.Traits.Loss, v.Traits.Blocks = buffer.Lossless, true
	case buffer.BlockTimeout:
		v.Traits.Blocks = true
		timeout = defaultTimeout
	}
	v.New = func(p buffer.Params[T]) buffer.Buffer[T] {
		p.Policy = policy
		p.Capacity = cmp.Or(p.Capacity, defaultCapacity)
		p.Timeout = cmp.Or(p.Timeout, timeout)
		return must(bounded.New[T])(p)
	}
	return v
}

// findBounded returns the row of the policy that the options name, changed by the
// others.
func findBounded[T any](rows []Variant[T], spec, options string) (Variant[T], error) {
	policies := map[string]Variant[T]{}
	var words []string
	for _, v := range rows {
		if word, ok := strings.CutPrefix(v.Name, boundedPrefix); ok {
			policies[word] = v
			words = append(words, word)
		}
	}
	o, err := parseBounded(options, words)
	if err != nil {
		return Variant[T]{}, fmt.Errorf("variants: bounded: %w", err)
	}
	v := policies[o.policy]
	v.Name = spec
	byDefault := v.New
	v.New = func(p buffer.Params[T]) buffer.Buffer[T] {
		p.Capacity = cmp.Or(p.Capacity, o.capacity)
		p.Timeout = cmp.Or(p.Timeout, o.timeout)
		return byDefault(p)
	}
	return v, nil
}

// boundedOptions are 0 where nothing is said.
type boundedOptions struct {
	policy   string
	capacity int
	timeout  time.Duration
}

// parseBounded reads options, in any order: one of the policies, cap=N, and
// timeout=DURATION if the policy has one.
func parseBounded(options string, policies []string) (o boundedOptions, err error) {
	given := map[string]string{} // options by what stands before the =
	for option := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(option, "=")
		if _, again := given[key]; again {
			return o, fmt.Errorf("option %q: %s is given twice", option, key)
		}
		given[key] = option
		switch {
		case slices.Contains(policies, option) && o.policy != "":
			return o, fmt.Errorf("option %q: the policy is %s already", option, o.policy)
		case slices.Contains(policies, option):
			o.policy = option
		case key == "cap":
			if o.capacity, err = strconv.Atoi(value); err != nil || o.capacity < 1 {
				return o, fmt.Errorf("option %q: cap must be a number from 1 on", option)
			}
		case key == "timeout":
			if o.timeout, err = time.ParseDuration(value); err != nil || o.timeout <= 0 {
				return o, fmt.Errorf("option %q: timeout must be a duration above 0, such as 100ms", option)
			}
		case options != "": // else it is the policy that is missing
			return o, fmt.Errorf("option %q: there are cap=N, timeout=DURATION and one of %s",
				option, strings.Join(policies, ", "))
		}
	}
	if o.policy == "" {
		return o, fmt.Errorf("no policy: there are %s", strings.Join(policies, ", "))
	}
	if o.timeout != 0 && o.policy != "block-timeout" {
		return o, fmt.Errorf("option %q: only block-timeout takes one, not %s", given["timeout"], o.policy)
	}
	return o, nil
}
