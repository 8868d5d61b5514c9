package informer_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if scene := os.Getenv(crashScene); scene != "" {
		playCrash(scene)
		return
	}
	goleak.VerifyTestMain(m)
}
