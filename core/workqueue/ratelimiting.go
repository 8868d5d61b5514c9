package workqueue

// A RateLimiting queue is a Delaying queue that asks a limiter how long to
// delay. All methods may be called concurrently.
//
// A worker says Forget once an item has succeeded or is given up: otherwise the
// limiter remembers the item for ever. Done is due in every case.
type RateLimiting[T comparable] struct {
	*Delaying[T]
	limiter Limiter[T]
}

// NewRateLimiting returns an empty queue with its own goroutine, as NewDelaying
// does. Several queues may share a limiter.
func NewRateLimiting[T comparable](limiter Limiter[T], o Options) *RateLimiting[T] {
	return &RateLimiting[T]{Delaying: NewDelaying[T](o), limiter: limiter}
}

// AddRateLimited adds the item when the limiter lets it. The limiter counts the
// call even if the queue is shutting down.
func (r *RateLimiting[T]) AddRateLimited(item T) { r.AddAfter(item, r.limiter.When(item)) }

// Forget makes the limiter forget how often the item has been added. It takes
// nothing out of the queue.
func (r *RateLimiting[T]) Forget(item T) { r.limiter.Forget(item) }

// NumRequeues returns how often the item has been rate limited since it was
// last forgotten.
func (r *RateLimiting[T]) NumRequeues(item T) int { return r.limiter.NumRequeues(item) }
