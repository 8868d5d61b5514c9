package variants_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer"
	"informerlab/core/buffer/buffertest"
	"informerlab/core/event"
	"informerlab/variants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestLaws holds every line of the catalogue to its traits.
func TestLaws(t *testing.T) {
	notifications, boxed := variants.All[event.Notification](), variants.All[any]()
	for i, v := range variants.All[uint64]() {
		t.Run(v.Name, func(t *testing.T) {
			buffertest.Run(t, buffertest.Variant{
				Name: v.Name, Traits: v.Traits, KeptBytes: v.KeptBytes,
				Ints: v.New, Notifications: notifications[i].New, Boxed: boxed[i].New,
			})
		})
	}
}

// TestStorms closes each buffer amid pushes of all sizes.
func TestStorms(t *testing.T) {
	for _, v := range variants.All[*buffertest.Drop]() {
		t.Run(v.Name, func(t *testing.T) { buffertest.Storm(t, v.Traits, v.New) })
	}
}

func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range variants.All[int]() {
		assert.False(t, seen[v.Name], "the name %s is taken", v.Name)
		seen[v.Name] = true
		assert.NotEmpty(t, v.Summary, v.Name)
		assert.NotEmpty(t, v.Traits.Order, v.Name)
		found, err := variants.Find[int](v.Name)
		require.NoError(t, err)
		assert.Equal(t, v.Name, found.Name)
	}
	assert.True(t, seen["reference"])
	assert.True(t, seen["ring"])
}

func TestFindErrors(t *testing.T) {
	var names []string
	for _, v := range variants.All[int]() {
		names = append(names, v.Name)
	}
	there := ": there are " + strings.Join(names, ", ")
	for spec, want := range map[string]string{
		"rink":         `variants: no buffer is named "rink"` + there,
		"":             `variants: no buffer is named ""` + there,
		"ring:cap=9":   `variants: ring: option "cap=9": it takes none`,
		"reference:":   `variants: reference: option "": it takes none`,
		"rink:cap=100": `variants: no buffer is named "rink"` + there,
	} {
		_, err := variants.Find[int](spec)
		assert.EqualError(t, err, want, spec)
		_, _, err = variants.Fanout(spec)
		assert.EqualError(t, err, want, spec)
	}
}

// TestFanout sends a notification through each contestant's fan-out.
func TestFanout(t *testing.T) {
	for _, v := range variants.All[event.Notification]() {
		make1, found, err := variants.Fanout(v.Name)
		require.NoError(t, err)
		assert.Equal(t, v.Name, found.Name)
		fanout := make1()
		assert.NotSame(t, fanout, make1(), "each informer needs its own")
		sub := fanout.Subscribe(func(event.Notification, buffer.Reason) { t.Error("discarded") })
		fanout.Publish([]event.Notification{{Kind: event.Add, New: event.Tombstone{Name: "a"}}})
		dst := make([]event.Notification, 4)
		require.Equal(t, 1, sub.Pop(dst), v.Name)
		assert.Equal(t, event.Tombstone{Name: "a"}, dst[0].New, v.Name)
		sub.Close()
		require.Zero(t, sub.Pop(dst), v.Name)
	}
}
