package informer

import "context"

// A Syncer can say when it has synced: an Informer, an Inline, a Registration.
type Syncer interface{ Synced() <-chan struct{} }

// WaitForSync waits until all have synced and returns true, or until ctx ends
// and returns false.
func WaitForSync(ctx context.Context, all ...Syncer) bool {
	for _, s := range all {
		select {
		case <-s.Synced():
		case <-ctx.Done():
			// What has synced by now counts even so.
			select {
			case <-s.Synced():
			default:
				return false
			}
		}
	}
	return true
}
