package informer

// RejectedKept returns how many versions are kept so that none is reported twice.
func (i *Informer) RejectedKept() int {
	i.rejections.mu.Lock()
	defer i.rejections.mu.Unlock()
	return len(i.rejections.last)
}
