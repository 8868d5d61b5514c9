package reflector

import (
	"context"
	"fmt"
	"time"

	"informerlab/core/event"
	"informerlab/core/source"
)

// list replaces the store's content by what the source lists.
func (r *Reflector) list(ctx context.Context) error {
	started := time.Now()
	wanted := r.listVersion()
	limit := r.pageSize(wanted)
	list, paged, err := r.pages(ctx, wanted, limit)
	if versionLost(err) {
		// At "" any server can answer, so the reflector always gets on.
		r.unavailable = true
		list, paged, err = r.pages(ctx, "", limit)
	}
	if err != nil {
		return &ListError{fmt.Errorf("reflector: list: %w", err)}
	}
	if elapsed := time.Since(started); elapsed > slowList {
		r.log.Warn("slow list", "took", elapsed, "items", len(list.Items))
	}
	r.paged = r.paged || wanted == "0" && paged
	r.unavailable = false
	items := make([]event.Object, 0, len(list.Items))
	for _, o := range list.Items {
		if r.accepts(o) {
			items = append(items, o)
		}
	}
	return r.replace(items, list.ResourceVersion)
}

// replace gives a list to the store and notes its version.
func (r *Reflector) replace(items []event.Object, version string) error {
	if err := r.store.Replace(items, version); err != nil {
		return &ListError{fmt.Errorf("reflector: replace: %w", err)}
	}
	r.setVersion(version)
	r.confirmed = time.Now()
	r.answered(version)
	return nil
}

// listVersion returns the version to list at: any cached state at first, then
// nothing older than what was seen already.
func (r *Reflector) listVersion() string {
	switch {
	case r.unavailable:
		return ""
	case r.version == "":
		return "0"
	}
	return r.version
}

// pageSize returns the limit per page; 0 = none. A limit makes an API server
// read from its database, so a list that its cache could answer ("not older
// than") goes without, unless the first list showed that there is no cache.
func (r *Reflector) pageSize(version string) int64 {
	switch {
	case r.o.PageSize > 0:
		return r.o.PageSize
	case r.paged || version == "" || version == "0":
		return defaultPageSize
	}
	return 0
}

// pages lists page by page and returns all items under the version of the
// first page, and whether there were several. If a later page has expired,
// everything is read once more in one piece.
func (r *Reflector) pages(ctx context.Context, version string, limit int64) (*source.List, bool, error) {
	first := source.ListOptions{ResourceVersion: version, Limit: limit}
	all, err := r.page(ctx, first)
	if err != nil || all.Continue == "" {
		return all, false, err
	}
	// The items are copied: the page is the source's.
	all = &source.List{
		ResourceVersion: all.ResourceVersion,
		Continue:        all.Continue,
		Items:           append([]event.Object(nil), all.Items...),
	}
	for all.Continue != "" {
		page, err := r.page(ctx, source.ListOptions{Limit: limit, Continue: all.Continue})
		if source.HasReason(err, source.Expired) {
			first.Limit = 0
			whole, err := r.page(ctx, first)
			return whole, true, err
		}
		if err != nil {
			return nil, true, err
		}
		if page.Continue == all.Continue && !r.o.Faithful {
			return nil, true, errSamePage // the next page would be the same again, without end
		}
		all.Items = append(all.Items, page.Items...)
		all.Continue = page.Continue
	}
	return all, true, nil
}

// page makes one list request. All pages of a list count as one for the meter.
func (r *Reflector) page(ctx context.Context, opts source.ListOptions) (*source.List, error) {
	if opts.Continue == "" {
		if err := r.admit(ctx); err != nil {
			return nil, err
		}
	}
	list, err := r.source.List(ctx, opts)
	if err == nil && list == nil {
		err = errNothing
	}
	return list, err
}
