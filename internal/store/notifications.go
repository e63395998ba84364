package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// SaveNotifications stores documents of notifications in one transaction: what has no body is removed, and where it names a revision
// only if nobody has changed it since. With a fence that is not 0 the
// caller writes as the owner, and nothing is stored when it is not (event.ErrNotOwner).
func (s *Store) SaveNotifications(ctx context.Context, fence int64, docs []event.Document) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		// The row of the owner is changed first: writers queue there, so that revisions become visible in their order.
		n, err := changed(tx.ExecContext(ctx, "UPDATE notification_owner SET revision = revision + 1 WHERE id = 1 AND (CAST(? AS BIGINT) = 0 OR fence = ?)", fence, fence))
		if err != nil {
			return err
		}
		if n == 0 {
			return event.ErrNotOwner
		}
		var revision int64
		if err := tx.QueryRowContext(ctx, "SELECT revision FROM notification_owner WHERE id = 1").Scan(&revision); err != nil {
			return err
		}
		for _, d := range docs {
			if d.Body == nil && d.Revision > 0 {
				if _, err := tx.ExecContext(ctx, "UPDATE notification_documents SET revision = ?, body = NULL WHERE kind = ? AND id = ? AND revision = ?", revision, d.Kind, d.ID, d.Revision); err != nil {
					return err
				}
				continue
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO notification_documents (kind, id, revision, body) VALUES (?, ?, ?, ?)
				ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision, body = excluded.body`, d.Kind, d.ID, revision, d.Body); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store: save notifications: %w", err)
	}
	return nil
}

// Notifications returns the documents that changed after a revision, in the order of their changes, and the revision up to which that
// is everything. From 0 on, what was removed is left out. An upTo below after says that this cannot be told any more, because removed
// documents were forgotten since: read from 0 on.
func (s *Store) Notifications(ctx context.Context, after int64) (docs []event.Document, upTo int64, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		docs = nil
		var purged int64
		if err := tx.QueryRowContext(ctx, "SELECT revision, purged FROM notification_owner WHERE id = 1").Scan(&upTo, &purged); err != nil || upTo == after {
			return err
		}
		if after > 0 && after < purged {
			upTo = 0
			return nil
		}
		return each(ctx, tx, func(rows *sql.Rows) error {
			var d event.Document
			if err := rows.Scan(&d.Kind, &d.ID, &d.Revision, &d.Body); err != nil {
				return err
			}
			docs = append(docs, d)
			return nil
		}, "SELECT kind, id, revision, body FROM notification_documents WHERE revision > ? AND (body IS NOT NULL OR CAST(? AS BIGINT) > 0) ORDER BY revision, kind, id", after, after)
	})
	if err != nil {
		return nil, 0, fmt.Errorf("store: notifications: %w", err)
	}
	return docs, upTo, nil
}

// PurgeNotifications forgets that documents were removed before a revision. Who has not seen it by then reads from 0 on.
func (s *Store) PurgeNotifications(ctx context.Context, before int64) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		// The row of the owner first, as writers do.
		n, err := changed(tx.ExecContext(ctx, `UPDATE notification_owner SET purged = ? WHERE id = 1 AND purged < ?
			AND EXISTS (SELECT 1 FROM notification_documents WHERE body IS NULL AND revision < ?)`, before-1, before-1, before))
		if err != nil || n == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM notification_documents WHERE body IS NULL AND revision < ?", before)
		return err
	})
	if err != nil {
		return fmt.Errorf("store: purge notifications: %w", err)
	}
	return nil
}

// OwnNotifications makes an instance the owner of notifications for some time, or longer the owner. It returns its fence, 0 while
// another one is the owner. The same name is the same owner: who comes back after a crash need not wait for itself. The clock is
// the database's.
func (s *Store) OwnNotifications(ctx context.Context, owner string, term time.Duration) (fence int64, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		fence = 0
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		var have string
		var held, until int64
		if err := tx.QueryRowContext(ctx, "SELECT owner, fence, until FROM notification_owner WHERE id = 1").Scan(&have, &held, &until); err != nil {
			return err
		}
		if have != owner && until > micros(now) {
			return nil
		}
		if have != owner {
			held++
		}
		if _, err := tx.ExecContext(ctx, "UPDATE notification_owner SET owner = ?, fence = ?, until = ? WHERE id = 1", owner, held, micros(now.Add(term))); err != nil {
			return err
		}
		fence = held
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("store: own notifications: %w", err)
	}
	return fence, nil
}

// LeaveNotifications lets another instance be the owner at once.
func (s *Store) LeaveNotifications(ctx context.Context, owner string) error {
	_, err := s.write.ExecContext(ctx, "UPDATE notification_owner SET until = 0 WHERE id = 1 AND owner = ?", owner)
	if err != nil {
		return fmt.Errorf("store: leave notifications: %w", err)
	}
	return nil
}
