package workqueue_test

import (
	"errors"
	"fmt"
	"sync"

	"informerlab/core/workqueue"
)

// A controller's worker: what fails is tried again later, what succeeds is
// forgotten, and every item is given back with Done.
func Example() {
	q := workqueue.NewRateLimiting(workqueue.DefaultControllerLimiter[string](), workqueue.Options{})
	fails := 2
	reconcile := func(key string) error {
		if fails--; fails >= 0 {
			return errors.New("conflict")
		}
		q.ShutDown() // the example has seen enough
		return nil
	}

	var worker sync.WaitGroup
	worker.Go(func() {
		for {
			key, shutdown := q.Get()
			if shutdown {
				return
			}
			if err := reconcile(key); err != nil {
				fmt.Println(key, err)
				q.AddRateLimited(key)
			} else {
				fmt.Println(key, "synced after", q.NumRequeues(key), "retries")
				q.Forget(key)
			}
			q.Done(key)
		}
	})
	q.Add("default/web")
	q.Add("default/web")
	worker.Wait()
	// Output:
	// default/web conflict
	// default/web conflict
	// default/web synced after 2 retries
}
