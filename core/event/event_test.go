package event

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type object struct{ namespace, name, version string }

func (o object) GetNamespace() string       { return o.namespace }
func (o object) GetName() string            { return o.name }
func (o object) GetResourceVersion() string { return o.version }

func TestNotificationFitsIn48Bytes(t *testing.T) {
	assert.LessOrEqual(t, unsafe.Sizeof(Notification{}), uintptr(48))
}

func TestParseKeyReadsWhatStringPrints(t *testing.T) {
	for _, key := range []Key{{"ns", "name"}, {"", "name"}, {"a.b", "c-d.e"}} {
		got, err := ParseKey(key.String())
		require.NoError(t, err)
		assert.Equal(t, key, got)
	}
}

func TestParseKeyRefusesWhatIsNoKey(t *testing.T) {
	for _, s := range []string{"", "/", "ns/", "a/b/c", "//"} {
		_, err := ParseKey(s)
		assert.ErrorContains(t, err, "expected name or namespace/name", "%q", s)
	}
}

func TestTombstoneHasTheKeyAndNoVersion(t *testing.T) {
	var o Object = Tombstone{"ns", "name"}
	assert.Equal(t, Key{"ns", "name"}, KeyOf(o))
	assert.Empty(t, o.GetResourceVersion())
}

func TestNotificationPrintsWhatHappened(t *testing.T) {
	a, b := object{"ns", "x", "1"}, object{"ns", "x", "2"}
	for want, n := range map[string]Notification{
		"add ns/x ->1 initial":                {New: a, Kind: Add, Flags: Initial},
		"update ns/x 1>2":                     {Old: a, New: b, Kind: Update},
		"delete ns/x 2>- final-state-unknown": {Old: b, Kind: Delete, Flags: FinalStateUnknown},
		"Kind(9) ns/x ->1":                    {New: a, Kind: 9},
		"delete ns/x 2>-":                     {Old: b, New: a, Kind: Delete},
		"delete ns/y >- final-state-unknown":  {Old: Tombstone{"ns", "y"}, Kind: Delete, Flags: FinalStateUnknown},
	} {
		assert.Equal(t, want, n.String())
	}
}

func TestBefore(t *testing.T) {
	a, b := object{"ns", "x", "1"}, object{"ns", "x", "2"}
	none := Tombstone{"ns", "x"}
	for want, notifications := range map[Object][]Notification{
		a: {
			{Old: a, New: b, Kind: Update},
			{Old: a, Kind: Delete}, {Old: b, New: a, Kind: Delete}, {Old: none, New: a, Kind: Delete},
		},
		nil: {
			{New: b, Kind: Add},
			{Old: none, Kind: Delete}, {Old: b, New: none, Kind: Delete}, {Old: none, New: none, Kind: Delete},
		},
	} {
		for _, n := range notifications {
			assert.Equal(t, want, n.Before(), "%+v", n)
		}
	}
}
