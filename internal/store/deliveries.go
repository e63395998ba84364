package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

const deliveryColumns = `id, report_id, way, target, state, sha256, attempts, uncertain, created_at, next_at, sent_at, machine, error`

// QueueDelivery stores a delivery, or finds the one with its id. With again one that has ended is begun anew: its sha256 says what
// arrived, so that the same document does not go out twice. It returns the delivery as it stands now.
func (s *Store) QueueDelivery(ctx context.Context, d agg.Delivery, again bool) (now agg.Delivery, err error) {
	d.CreatedAt, d.NextAt = d.CreatedAt.UTC().Truncate(time.Microsecond), d.NextAt.UTC().Truncate(time.Microsecond)
	err = s.update(ctx, func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, "INSERT INTO deliveries ("+deliveryColumns+") VALUES (?, ?, ?, ?, 'waiting', '', 0, 0, ?, ?, NULL, ?, '') ON CONFLICT (id) DO NOTHING",
			d.ID, d.Report, d.Way, d.Target, micros(d.CreatedAt), micros(d.NextAt), d.Machine))
		if err != nil {
			return err
		}
		if n == 0 && again {
			if _, err := tx.ExecContext(ctx, "UPDATE deliveries SET state = 'waiting', attempts = 0, created_at = ?, next_at = ?, machine = ?, error = '' WHERE id = ? AND state IN ('sent', 'failed')",
				micros(d.CreatedAt), micros(d.NextAt), d.Machine, d.ID); err != nil {
				return err
			}
		}
		found, err := queryDeliveries(ctx, tx, "WHERE id = ?", d.ID)
		if err != nil {
			return err
		}
		now = found[0]
		return nil
	})
	if err != nil {
		return d, fmt.Errorf("store: queue delivery of %s: %w", d.Report, err)
	}
	return now, nil
}

// ClaimDelivery takes the delivery of a machine that has been due the longest, for a try that ends before until; ErrNotFound when none is
// due. A try whose time is over is another's.
func (s *Store) ClaimDelivery(ctx context.Context, machine string, now, until time.Time) (d agg.Delivery, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		found, err := queryDeliveries(ctx, tx, "WHERE machine = ? AND state IN ('waiting', 'sending') AND next_at <= ? ORDER BY next_at, id LIMIT 1", machine, micros(now))
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return ErrNotFound
		}
		d = found[0]
		lost := int64(0)
		if d.State == agg.DeliverySending { // whoever tried has ended, and nobody knows how far he came
			lost = 1
		}
		n, err := changed(tx.ExecContext(ctx, "UPDATE deliveries SET state = 'sending', attempts = attempts + 1, uncertain = uncertain + ?, next_at = ? WHERE id = ? AND state = ? AND next_at = ?",
			lost, micros(until), d.ID, string(d.State), micros(d.NextAt)))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound // taken meanwhile
		}
		d.State, d.Attempts, d.Uncertain, d.NextAt = agg.DeliverySending, d.Attempts+1, d.Uncertain+lost, until.UTC().Truncate(time.Microsecond)
		return nil
	})
	if err != nil {
		return d, fmt.Errorf("store: claim a delivery: %w", err)
	}
	return d, nil
}

// SaveDelivery stores what became of a try; until is the end of the claim, which must still hold.
func (s *Store) SaveDelivery(ctx context.Context, d agg.Delivery, until time.Time) error {
	n, err := changed(s.write.ExecContext(ctx, "UPDATE deliveries SET state = ?, sha256 = ?, attempts = ?, uncertain = ?, next_at = ?, sent_at = ?, error = ? WHERE id = ? AND state = 'sending' AND next_at = ?",
		string(d.State), d.SHA256, d.Attempts, d.Uncertain, micros(d.NextAt), microsOrNull(d.SentAt), d.Error, d.ID, micros(until)))
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("store: save delivery of %s: %w", d.Report, err)
	}
	return nil
}

// NextDelivery is when a delivery of a machine is due next; ErrNotFound when there is none.
func (s *Store) NextDelivery(ctx context.Context, machine string) (time.Time, error) {
	var at sql.NullInt64
	err := s.read.QueryRowContext(ctx, "SELECT MIN(next_at) FROM deliveries WHERE machine = ? AND state IN ('waiting', 'sending')", machine).Scan(&at)
	if err == nil && !at.Valid {
		err = ErrNotFound
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("store: next delivery: %w", err)
	}
	return fromMicros(at.Int64), nil
}

// Deliveries returns those of a report ("" = of all), the newest first, at most limit, and how many of all there are in each state.
func (s *Store) Deliveries(ctx context.Context, report string, limit int) (list []agg.Delivery, counts map[agg.DeliveryState]int, err error) {
	counts = map[agg.DeliveryState]int{}
	err = s.view(ctx, func(tx *sql.Tx) error {
		list, err = queryDeliveries(ctx, tx, fmt.Sprintf("WHERE ? = '' OR report_id = ? ORDER BY created_at DESC, id LIMIT %d", limit), report, report)
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT state, COUNT(*) FROM deliveries GROUP BY state")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var state string
			var n int
			if err := rows.Scan(&state, &n); err != nil {
				return err
			}
			counts[agg.DeliveryState(state)] = n
		}
		return rows.Err()
	})
	if err != nil {
		return nil, nil, fmt.Errorf("store: deliveries: %w", err)
	}
	return list, counts, nil
}

// PurgeDeliveries forgets deliveries that ended and were asked for before a time.
func (s *Store) PurgeDeliveries(ctx context.Context, before time.Time) error {
	_, err := s.write.ExecContext(ctx, "DELETE FROM deliveries WHERE state IN ('sent', 'failed') AND created_at < ?", micros(before))
	if err != nil {
		return fmt.Errorf("store: purge deliveries: %w", err)
	}
	return nil
}

func queryDeliveries(ctx context.Context, q querier, rest string, args ...any) ([]agg.Delivery, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+deliveryColumns+" FROM deliveries "+rest, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []agg.Delivery
	for rows.Next() {
		var d agg.Delivery
		var created, next int64
		var sent sql.NullInt64
		if err := rows.Scan(&d.ID, &d.Report, &d.Way, &d.Target, &d.State, &d.SHA256, &d.Attempts, &d.Uncertain, &created, &next, &sent, &d.Machine, &d.Error); err != nil {
			return nil, err
		}
		d.CreatedAt, d.NextAt, d.SentAt = fromMicros(created), fromMicros(next), fromNull(sent)
		out = append(out, d)
	}
	return out, rows.Err()
}
