package variants_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"informerlab/core/buffer/buffertest"
	"informerlab/variants"
)

// go test -fuzz wants a function per target.

func FuzzRing(f *testing.F)         { fuzz(f, "ring") }
func FuzzLinkedList(f *testing.F)   { fuzz(f, "linkedlist") }
func FuzzChunked(f *testing.F)      { fuzz(f, "chunked") }
func FuzzMPSC(f *testing.F)         { fuzz(f, "mpsc") }
func FuzzSPSC(f *testing.F)         { fuzz(f, "spsc") }
func FuzzDropNewest(f *testing.F)   { fuzz(f, "bounded:drop-newest") }
func FuzzDropOldest(f *testing.F)   { fuzz(f, "bounded:drop-oldest") }
func FuzzBlock(f *testing.F)        { fuzz(f, "bounded:block") }
func FuzzBlockTimeout(f *testing.F) { fuzz(f, "bounded:block-timeout") }
func FuzzCoalescing(f *testing.F)   { fuzz(f, "coalescing") }

func fuzz(f *testing.F, name string) {
	v, err := variants.Find[uint64](name)
	require.NoError(f, err)
	buffertest.Fuzz(f, buffertest.Variant{Name: v.Name, Traits: v.Traits, Ints: v.New})
}
