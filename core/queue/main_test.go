package queue

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An object is a state of a test object: a name and a version.
type object struct {
	name    string
	version int
}

func (o *object) GetNamespace() string       { return "" }
func (o *object) GetName() string            { return o.name }
func (o *object) GetResourceVersion() string { return strconv.Itoa(o.version) }

// obj reads "a1" as version 1 of object a.
func obj(s string) event.Object {
	version, err := strconv.Atoi(s[1:])
	if err != nil {
		panic(err)
	}
	return &object{s[:1], version}
}

func objs(list string) (objects []event.Object) {
	for _, s := range strings.Fields(list) {
		objects = append(objects, obj(s))
	}
	return objects
}

// deltas reads "+a1 ~a2 -a2 ?a2 ?b" as Added, Updated, Deleted, and Deleted with
// final state unknown, with and without an object.
func deltas(list string) (deltas []Delta) {
	types := map[byte]DeltaType{'+': Added, '~': Updated, '-': Deleted, '?': Deleted}
	for _, s := range strings.Fields(list) {
		d := Delta{Type: types[s[0]], FinalStateUnknown: s[0] == '?'}
		if len(s) == 2 {
			d.Object = event.Tombstone{Name: s[1:]}
		} else {
			d.Object = obj(s[1:])
		}
		deltas = append(deltas, d)
	}
	return deltas
}

// text is the inverse of deltas; =a1 is Replaced, !a1 is Sync, and the
// batches of FIFO that come alone are spelled out.
func text(deltas []Delta) string {
	marks := map[DeltaType]string{Added: "+", Updated: "~", Deleted: "-", Replaced: "=", Sync: "!"}
	var words []string
	for _, d := range deltas {
		mark, found := marks[d.Type]
		switch {
		case !found && d.List != nil:
			word := "all@" + d.List.ResourceVersion + "("
			for i, o := range d.List.Items {
				if i > 0 {
					word += " "
				}
				word += o.GetName() + o.GetResourceVersion()
			}
			words = append(words, word+")")
			continue
		case d.Type == Bookmark:
			words = append(words, "mark@"+d.Object.GetResourceVersion())
			continue
		case d.Type == SyncAll:
			words = append(words, "sync")
			continue
		case d.FinalStateUnknown:
			mark = "?"
		}
		words = append(words, mark+d.Object.GetName()+d.Object.GetResourceVersion())
	}
	return strings.Join(words, " ")
}

// pop pops once and returns the deltas as text, "initial: " before them if they are.
func pop(t testing.TB, q Queue) string {
	t.Helper()
	var s string
	require.NoError(t, q.Pop(func(deltas []Delta, initial bool) error {
		if initial {
			s = "initial: "
		}
		s += text(deltas)
		return nil
	}))
	return s
}

// drain pops until nothing is queued.
func drain(t testing.TB, q Queue) (pops []string) {
	t.Helper()
	for q.Len() > 0 {
		pops = append(pops, pop(t, q))
	}
	return pops
}

// failing is a process that returns its error.
func failing(err error) Process { return func([]Delta, bool) error { return err } }

// A known is a Store for tests. Its keys come in order of name.
type known struct {
	mu      sync.Mutex
	objects map[string]event.Object // nil = listed in Keys, not found by Get
}

func knownObjects(list string) *known {
	k := &known{objects: map[string]event.Object{}}
	for _, o := range objs(list) {
		k.objects[o.GetName()] = o
	}
	return k
}

func (k *known) Get(key event.Key) (event.Object, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	o := k.objects[key.Name]
	return o, o != nil
}

func (k *known) Keys() (keys []event.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(k.objects)) {
		keys = append(keys, event.Key{Name: name})
	}
	return keys
}

// apply does what the controller does with the deltas of a DeltaFIFO.
func (k *known) apply(deltas []Delta) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, d := range deltas {
		if d.Type == Deleted {
			delete(k.objects, d.Object.GetName())
		} else {
			k.objects[d.Object.GetName()] = d.Object
		}
	}
}

func isSynced(q Queue) bool {
	select {
	case <-q.Synced():
		return true
	default:
		return false
	}
}

// both runs a test for each queue.
func both(t *testing.T, test func(t *testing.T, q Queue)) {
	t.Run("FIFO", func(t *testing.T) { test(t, NewFIFO(FIFOOptions{})) })
	t.Run("DeltaFIFO", func(t *testing.T) { test(t, NewDeltaFIFO(DeltaFIFOOptions{})) })
}

func TestStrings(t *testing.T) {
	require.Equal(t, "Unknown", DeltaType(0).String())
	require.Equal(t, "Unknown", DeltaType(99).String())
	for want, d := range map[string]Delta{
		"Added a @1":                       deltas("+a1")[0],
		"Deleted a @1 final-state-unknown": deltas("?a1")[0],
		"Deleted a @ final-state-unknown":  deltas("?a")[0],
		"ReplacedAll 2 items @7":           {Type: ReplacedAll, List: &List{objs("a1 b1"), "7", nil}},
		"SyncAll":                          {Type: SyncAll},
		"Bookmark @9":                      {Type: Bookmark, Object: bookmark("9")},
		"Sync a @3":                        {Type: Sync, Object: obj("a3")},
	} {
		require.Equal(t, want, d.String())
	}
}
