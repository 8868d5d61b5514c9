package variants

import (
	"strings"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/core/processor"
)

// Fanout returns a maker of fan-outs over the contestant or bound of that name,
// for informer.Options, and its row. Each gives every listener a buffer of its
// own; the reference also hands over boxed notifications one by one, as
// client-go does, and direct calls the handlers. The errors are Find's.
func Fanout(spec string) (func() processor.Fanout, Variant[event.Notification], error) {
	v, err := find(append(All[event.Notification](), FanoutBounds()...), spec)
	name, options, hasOptions := strings.Cut(spec, ":")
	switch {
	case err != nil:
		return nil, v, err
	case name == reference && hasOptions:
		initial, err := parseInitial(options)
		return processor.ReferenceSized(initial), v, err
	case name == reference:
		return processor.Reference, v, nil
	case v.Name == direct:
		return processor.Direct, v, nil
	}
	return processor.PerListener(v.New), v, nil
}

// FanoutBounds returns the bounds that Fanout knows: those of Bounds, and direct,
// which is no buffer, so that its New is nil.
func FanoutBounds() []Variant[event.Notification] {
	inline := buffer.Traits{
		Order: buffer.FIFO, Loss: buffer.Lossless, Bound: buffer.Nothing, Blocks: true, Producers: buffer.Many,
	}
	return append(Bounds[event.Notification](), Variant[event.Notification]{
		Name: direct, Summary: "no buffer: whoever publishes calls the handlers", Traits: inline,
	})
}

const direct = "direct"
