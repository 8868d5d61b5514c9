package process

import "syscall"

// endWithParent asks the kernel to kill the process when the thread that starts it
// ends, which it does with its process.
func endWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
