package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Positions returns the first unpublished offset of every partition that the lake knows.
func (s *Store) Positions(ctx context.Context) (map[event.TopicPartition]int64, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT topic_id, topic, partition, next FROM lake_positions")
	if err != nil {
		return nil, fmt.Errorf("store: read lake_positions: %w", err)
	}
	defer rows.Close()
	out := make(map[event.TopicPartition]int64)
	for rows.Next() {
		var tp event.TopicPartition
		var next int64
		if err := rows.Scan(&tp.TopicID, &tp.Topic, &tp.Partition, &next); err != nil {
			return nil, fmt.Errorf("store: read lake_positions: %w", err)
		}
		out[tp] = next
	}
	return out, rows.Err()
}

// InitPosition makes tp known, beginning at next, unless it is known already. It returns the position that holds.
func (s *Store) InitPosition(ctx context.Context, tp event.TopicPartition, next int64) (int64, error) {
	err := s.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO lake_positions (topic_id, partition, topic, next) VALUES (?, ?, ?, ?)
			ON CONFLICT (topic_id, partition) DO NOTHING`, tp.TopicID, tp.Partition, tp.Topic, next)
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT next FROM lake_positions WHERE topic_id = ? AND partition = ?",
			tp.TopicID, tp.Partition).Scan(&next)
	})
	if err != nil {
		return 0, fmt.Errorf("store: first position of %s/%d: %w", tp.Topic, tp.Partition, err)
	}
	return next, nil
}

// errMoved says that the position is not where the caller believes it is.
var errMoved = errors.New("position has moved")

func advance(ctx context.Context, tx *sql.Tx, tp event.TopicPartition, from, to int64) error {
	n, err := changed(tx.ExecContext(ctx, "UPDATE lake_positions SET next = ? WHERE topic_id = ? AND partition = ? AND next = ?",
		to, tp.TopicID, tp.Partition, from))
	if err == nil && n != 1 {
		err = errMoved
	}
	return err
}

// Publish makes the offsets [from, to) of tp part of the lake: the position moves, the files enter the manifest and the version
// of every hour they touch rises, all or nothing. Not ok means that another owner published from the same position first (or
// that the partition is unknown); the caller discards its files and reads its position anew.
func (s *Store) Publish(ctx context.Context, tp event.TopicPartition, from, to int64, files []event.LakeFile) (ok bool, err error) {
	now := time.Now().UnixMicro()
	err = s.update(ctx, func(tx *sql.Tx) error {
		if err := advance(ctx, tx, tp, from, to); err != nil {
			return err
		}
		if err := insertFiles(ctx, tx, files, now); err != nil {
			return fmt.Errorf("manifest: %w", err)
		}
		return touchHours(ctx, tx, files, now)
	})
	if errors.Is(err, errMoved) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("store: publish %s/%d [%d, %d): %w", tp.Topic, tp.Partition, from, to, err)
	}
	return true, nil
}

// SkipGap moves the position of a partition over offsets that cannot be read and keeps a note of it. Not ok as for Publish.
func (s *Store) SkipGap(ctx context.Context, g event.LakeGap) (ok bool, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		if err := advance(ctx, tx, g.TopicPartition, g.From, g.To); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO lake_gaps (topic_id, partition, topic, from_offset, to_offset, reason, found_at)
			VALUES (?, ?, ?, ?, ?, ?, ?)`, g.TopicID, g.Partition, g.Topic, g.From, g.To, g.Reason, time.Now().UnixMicro())
		return err
	})
	if errors.Is(err, errMoved) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("store: gap of %s/%d [%d, %d): %w", g.Topic, g.Partition, g.From, g.To, err)
	}
	return true, nil
}

// Gaps returns every gap, oldest first.
func (s *Store) Gaps(ctx context.Context) ([]event.LakeGap, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT topic_id, topic, partition, from_offset, to_offset, reason, found_at
		FROM lake_gaps ORDER BY found_at, topic, partition, from_offset`)
	if err != nil {
		return nil, fmt.Errorf("store: read lake_gaps: %w", err)
	}
	defer rows.Close()
	var out []event.LakeGap
	for rows.Next() {
		var g event.LakeGap
		if err := rows.Scan(&g.TopicID, &g.Topic, &g.Partition, &g.From, &g.To, &g.Reason, &g.At); err != nil {
			return nil, fmt.Errorf("store: read lake_gaps: %w", err)
		}
		out = append(out, g)
	}
	return out, rows.Err()
}

const fileColumns = `path, topic_id, topic, partition, from_offset, to_offset, hour, row_count, bytes, sha256, min_time, max_time, state, generation`

// fileValues returns pointers to the fields of f in the order of fileColumns.
func fileValues(f *event.LakeFile) []any {
	return []any{&f.Path, &f.TopicID, &f.Topic, &f.Partition, &f.From, &f.To, &f.Hour, &f.Rows, &f.Bytes, &f.SHA256,
		&f.MinTime, &f.MaxTime, &f.State, &f.Generation}
}

func insertFiles(ctx context.Context, tx *sql.Tx, files []event.LakeFile, now int64) error {
	for part := range slices.Chunk(files, rowsPerStatement) {
		var args []any
		for i := range part {
			f := &part[i]
			args = append(args, f.Path, f.TopicID, f.Topic, f.Partition, f.From, f.To, f.Hour, f.Rows, f.Bytes, f.SHA256,
				f.MinTime, f.MaxTime, f.State, f.Generation, now)
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO lake_files ("+fileColumns+", published_at) VALUES "+valueRows(len(part), 15, ""), args...)
		if err != nil {
			return fmt.Errorf("%d files from %s on: %w", len(part), part[0].Path, err)
		}
	}
	return nil
}

// touchHours raises the version of each hour and topic of files by one, always in the same order, so that two publications of
// the same hours wait for each other instead of blocking each other.
func touchHours(ctx context.Context, tx *sql.Tx, files []event.LakeFile, now int64) error {
	type topicHour struct {
		topic string
		hour  int64
	}
	touched := make([]topicHour, len(files))
	for i := range files {
		touched[i] = topicHour{files[i].Topic, files[i].Hour}
	}
	sorting.By(touched, func(a, b topicHour) int {
		return cmp.Or(cmp.Compare(a.hour, b.hour), cmp.Compare(a.topic, b.topic))
	})
	for part := range slices.Chunk(slices.Compact(touched), rowsPerStatement) {
		var args []any
		for _, k := range part {
			args = append(args, k.topic, k.hour, now)
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO hour_versions (topic, hour, published_at, version) VALUES "+valueRows(len(part), 3, ", 1")+
			" ON CONFLICT (hour, topic) DO UPDATE SET version = hour_versions.version + 1, published_at = excluded.published_at", args...)
		if err != nil {
			return fmt.Errorf("versions of %d hours from %s of %s on: %w", len(part), hourName(part[0].hour), part[0].topic, err)
		}
	}
	return nil
}

// Files returns the manifest's files that f chooses, by hour, topic and path.
func (s *Store) Files(ctx context.Context, f event.LakeFilter) ([]event.LakeFile, error) {
	files, err := queryFiles(ctx, s.read, f)
	if err != nil {
		return nil, fmt.Errorf("store: read lake_files: %w", err)
	}
	return files, nil
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func queryFiles(ctx context.Context, q querier, f event.LakeFilter) ([]event.LakeFile, error) {
	var where []string
	var args []any
	add := func(condition string, arg any) {
		where, args = append(where, condition), append(args, arg)
	}
	if f.Topic != "" {
		add("topic = ?", f.Topic)
	}
	if f.FromHour != 0 {
		add("hour >= ?", f.FromHour)
	}
	if f.ToHour != 0 {
		add("hour < ?", f.ToHour)
	}
	if f.State != "" {
		add("state = ?", f.State)
	}
	query := "SELECT " + fileColumns + " FROM lake_files"
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	rows, err := q.QueryContext(ctx, query+" ORDER BY hour, topic, path", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []event.LakeFile
	for rows.Next() {
		var l event.LakeFile
		if err := rows.Scan(fileValues(&l)...); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, rows.Err()
}
