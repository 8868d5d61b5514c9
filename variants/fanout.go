package variants

import (
	"informerlab/core/event"
	"informerlab/core/processor"
)

// Fanout returns a maker of fan-outs over the contestant of that name, for
// informer.Options, and the contestant itself. Each gives every listener a
// buffer of its own; the reference also hands over boxed notifications one by
// one, as client-go does. The errors are Find's.
func Fanout(spec string) (func() processor.Fanout, Variant[event.Notification], error) {
	v, err := Find[event.Notification](spec)
	if err != nil {
		return nil, v, err
	}
	if v.Name == reference {
		return processor.Reference, v, nil
	}
	return processor.PerListener(v.New), v, nil
}
