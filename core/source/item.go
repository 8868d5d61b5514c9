package source

import "informerlab/core/event"

// An Item is the plainest object: a key, a version and a value. Server stamps
// versions on copies of it, so that a pointer to one always means one state.
type Item struct {
	Namespace       string
	Name            string
	ResourceVersion string // empty until a Server stamped it
	Value           string // whatever the test is about
}

var _ event.Object = (*Item)(nil)

// GetNamespace returns the namespace.
func (i *Item) GetNamespace() string { return i.Namespace }

// GetName returns the name.
func (i *Item) GetName() string { return i.Name }

// GetResourceVersion returns the version of this state.
func (i *Item) GetResourceVersion() string { return i.ResourceVersion }

// stampItem is the Stamp of a Server that was given none.
func stampItem(o event.Object, version string) event.Object {
	i, ok := o.(*Item)
	if !ok {
		return nil
	}
	stamped := *i
	stamped.ResourceVersion = version
	return &stamped
}
