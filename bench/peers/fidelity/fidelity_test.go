package fidelity

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"informerlab/core/buffer"
	"informerlab/core/event"
	"informerlab/variants"
)

var (
	histories = flag.Uint64("histories", 2000, "number of random histories of each kind")
	firstSeed = flag.Uint64("seed", 1, "seed of the first history")
)

func TestMain(m *testing.M) {
	flag.Parse()
	quietClientGo()
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "fidelity:", err)
		code = 1
	}
	os.Exit(code)
}

// observe plays a history in a bubble of its own.
func observe(t *testing.T, h *History, sides [2]maker) (recording *Recording, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("bubble: %v", p)
		}
	}()
	synctest.Test(t, func(*testing.T) { recording, err = play(h, sides) })
	return recording, err
}

// verdict plays a history and judges it.
func verdict(t *testing.T, h *History, sides [2]maker) error {
	recording, err := observe(t, h, sides)
	if recording == nil {
		return err
	}
	return errors.Join(recording.Judge(), err)
}

// Each handler of our informer is called as the real client-go would call it.
func TestOursAgainstClientGo(t *testing.T) {
	requireAllFaithful(t, [2]maker{newOurs(nil), newTheirs}, *histories)
}

// So is it with any other lossless buffer of the catalogue.
func TestVariantsAgainstClientGo(t *testing.T) {
	for _, v := range variants.All[event.Notification]() {
		if v.Name == "reference" || v.Traits.Order != buffer.FIFO || v.Traits.Loss != buffer.Lossless {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			fanout, _, err := variants.Fanout(v.Name)
			require.NoError(t, err)
			requireAllFaithful(t, [2]maker{newOurs(fanout), newTheirs}, *histories/4)
		})
	}
}

// requireAllFaithful compares the sides over so many histories. Bubbles are
// independent, so each processor plays a share of the seeds.
func requireAllFaithful(t *testing.T, sides [2]maker, histories uint64) {
	shares := uint64(runtime.GOMAXPROCS(0))
	for share := range shares {
		t.Run(fmt.Sprintf("share=%d", share), func(t *testing.T) {
			t.Parallel()
			for i := share; i < histories; i += shares {
				requireFaithful(t, RandomHistory(*firstSeed+i), sides)
			}
		})
	}
}

// requireFaithful fails with a shrunk history if the sides differ.
func requireFaithful(t *testing.T, h *History, sides [2]maker) {
	err := verdict(t, h, sides)
	if err == nil {
		return
	}
	small := shrink(h, 500, func(h *History) bool { return verdict(t, h, sides) != nil })
	t.Fatalf("seed %d: %v\n\nshrunk:\n%v\n%s\nagain: go test ./fidelity -run %s -histories 4 -seed %d",
		h.Seed, err, verdict(t, small, sides), small, strings.Split(t.Name(), "/share=")[0], h.Seed)
}

// The judge is fair: client-go does not differ from itself, whatever the
// order of maps, the jitter of backoffs and the scheduling.
func TestClientGoAgainstItself(t *testing.T) {
	for i := range *histories / 10 {
		h := RandomHistory(*firstSeed + i)
		if err := verdict(t, h, [2]maker{newTheirs, newTheirs}); err != nil {
			t.Fatalf("%v\n%s", err, h)
		}
	}
}
