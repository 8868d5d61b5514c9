package worker

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// Processors tells how all processors of the machine together have spent their
// time since it was started.
type Processors struct {
	Total time.Duration // idle or not; 0 = not known
	Busy  time.Duration // with whatever program, or taken away by a hypervisor
	Steal time.Duration // taken away by a hypervisor
}

// ReadProcessors reads them from the first line of Linux's /proc/stat (man 5
// proc_stat), which counts in hundredths of a second. Where there is none, or it
// is not understood, it returns zeros. Any goroutine may call it.
func ReadProcessors() (p Processors) {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return p
	}
	first, _, _ := strings.Cut(string(content), "\n")
	fields := strings.Fields(first)
	const idle, iowait, steal, guest = 4, 5, 8, 9 // columns; what guests use is in that of the user too
	for i := 1; i < min(len(fields), guest); i++ {
		hundredths, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return Processors{}
		}
		d := time.Duration(hundredths) * time.Second / 100
		p.Total += d
		if i != idle && i != iowait {
			p.Busy += d
		}
		if i == steal {
			p.Steal = d
		}
	}
	return p
}
