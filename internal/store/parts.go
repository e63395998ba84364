package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// planDocument is what of a plan is JSON.
type planDocument struct {
	Files []event.LakeFile `json:"files"`
	Cuts  []int64          `json:"cuts"`
}

// HourPlan returns the plan by which an hour is folded in so many parts, or ErrNotFound.
func (s *Store) HourPlan(ctx context.Context, hour int64, parts int) (p agg.HourPlan, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		p, err = queryPlan(ctx, tx, hour, parts, now)
		return err
	})
	if err != nil {
		return p, fmt.Errorf("store: plan of hour %s: %w", hourName(hour), err)
	}
	return p, nil
}

func queryPlan(ctx context.Context, tx *sql.Tx, hour int64, parts int, now time.Time) (p agg.HourPlan, err error) {
	var document string
	var made int64
	err = tx.QueryRowContext(ctx, "SELECT id, hour, version, run_id, raised, document, choice, made_at FROM hour_plans WHERE hour = ? AND parts = ?", hour, parts).
		Scan(&p.ID, &p.Hour, &p.Version, &p.Run, &p.Raised, &document, &p.Choice, &made)
	if errors.Is(err, sql.ErrNoRows) {
		return p, ErrNotFound
	}
	if err != nil {
		return p, err
	}
	var d planDocument
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		return p, fmt.Errorf("plan %s: %w", p.ID, err)
	}
	p.Files, p.Cuts, p.Age = d.Files, d.Cuts, now.Sub(fromMicros(made))
	return p, nil
}

// PlanHour stores a plan in place of the one with the id replaces, with what was made by that ("" = there is none), and returns the plan
// that is there then: another one when somebody was faster.
func (s *Store) PlanHour(ctx context.Context, p agg.HourPlan, replaces string) (there agg.HourPlan, err error) {
	document, err := json.Marshal(planDocument{p.Files, p.Cuts})
	if err != nil {
		return p, err
	}
	err = s.update(ctx, func(tx *sql.Tx) error {
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		if err := dropPlans(ctx, tx, "id = ?", replaces); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO hour_plans (id, hour, parts, version, run_id, raised, document, made_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (hour, parts) DO NOTHING`, p.ID, p.Hour, p.Parts(), p.Version, p.Run, p.Raised, string(document), micros(now)); err != nil {
			return err
		}
		there, err = queryPlan(ctx, tx, p.Hour, p.Parts(), now)
		return err
	})
	if err != nil {
		return p, fmt.Errorf("store: plan hour %s: %w", hourName(p.Hour), err)
	}
	return there, nil
}

// ChooseForPlan stores which values are kept apart, unless that is known already; ErrNotFound when the plan is gone.
func (s *Store) ChooseForPlan(ctx context.Context, plan string, choice []byte) error {
	return s.touch(ctx, "choice of plan "+plan, "UPDATE hour_plans SET choice = COALESCE(choice, ?) WHERE id = ?", choice, plan)
}

// partPiece bounds a value of the database.
const partPiece = 1 << 20

// SavePart stores what a part made. What is there already stays, because a part always makes the same; only counts are replaced by what
// was folded. ErrNotFound says that the plan is gone.
func (s *Store) SavePart(ctx context.Context, plan string, part int, counted bool, data []byte) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		// The lock on the plan keeps others from dropping or replacing it meanwhile.
		if n, err := changed(tx.ExecContext(ctx, "UPDATE hour_plans SET parts = parts WHERE id = ?", plan)); err != nil {
			return err
		} else if n == 0 {
			return ErrNotFound
		}
		var had int
		switch err := tx.QueryRowContext(ctx, "SELECT counted FROM hour_parts WHERE plan_id = ? AND part = ? AND piece = 0", plan, part).Scan(&had); {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		case had == 0 || counted:
			return nil
		default:
			if _, err := tx.ExecContext(ctx, "DELETE FROM hour_parts WHERE plan_id = ? AND part = ?", plan, part); err != nil {
				return err
			}
		}
		piece := 0
		for some := range slices.Chunk(data, partPiece) {
			if _, err := tx.ExecContext(ctx, "INSERT INTO hour_parts (plan_id, part, piece, counted, data) VALUES (?, ?, ?, ?, ?)", plan, part, piece, number(counted), some); err != nil {
				return err
			}
			piece++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store: part %d of plan %s: %w", part, plan, err)
	}
	return nil
}

// PartsMade returns the parts of a plan that are there; true = it only counted.
func (s *Store) PartsMade(ctx context.Context, plan string) (made map[int]bool, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		made = map[int]bool{}
		return each(ctx, tx, func(rows *sql.Rows) error {
			var part, counted int
			err := rows.Scan(&part, &counted)
			made[part] = counted != 0
			return err
		}, "SELECT part, counted FROM hour_parts WHERE plan_id = ? AND piece = 0", plan)
	})
	if err != nil {
		return nil, fmt.Errorf("store: parts of plan %s: %w", plan, err)
	}
	return made, nil
}

// PartData returns what a part made, or ErrNotFound.
func (s *Store) PartData(ctx context.Context, plan string, part int) (data []byte, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		data = nil
		return each(ctx, tx, func(rows *sql.Rows) error {
			var some sql.RawBytes
			err := rows.Scan(&some)
			data = append(data, some...)
			return err
		}, "SELECT data FROM hour_parts WHERE plan_id = ? AND part = ? ORDER BY piece", plan, part)
	})
	if err == nil && data == nil {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("store: part %d of plan %s: %w", part, plan, err)
	}
	return data, nil
}

// DropHourPlan removes a plan with what was made by it.
func (s *Store) DropHourPlan(ctx context.Context, plan string) error {
	return s.drop(ctx, "id = ?", func(time.Time) any { return plan })
}

// PurgeHourPlans removes the plans that are older than age: those who followed them gave up.
func (s *Store) PurgeHourPlans(ctx context.Context, age time.Duration) error {
	return s.drop(ctx, "made_at < ?", func(now time.Time) any { return micros(now.Add(-age)) })
}

func (s *Store) drop(ctx context.Context, where string, arg func(now time.Time) any) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		return dropPlans(ctx, tx, where, arg(now))
	})
	if err != nil {
		return fmt.Errorf("store: drop plans: %w", err)
	}
	return nil
}

func dropPlans(ctx context.Context, tx *sql.Tx, where string, arg any) error {
	if _, err := tx.ExecContext(ctx, "DELETE FROM hour_parts WHERE plan_id IN (SELECT id FROM hour_plans WHERE "+where+")", arg); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM hour_plans WHERE "+where, arg)
	return err
}
