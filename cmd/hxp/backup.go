package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func backupCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "backup FILE", Short: "Write everything that hxp keeps to one file, also while it runs", Args: exactly("a file for the backup"),
		Long: "Writes topics of the embedded broker, database, raw events, snapshots of the windows, reports, archive and what else lies in the data\n" +
			"folder to one file (tar, packed with zstd), as of one moment, beside a running instance or without one. The file holds keys and\n" +
			"passwords of the data folder and can be read by its owner alone. Configuration files are not part of it. What lies on servers of\n" +
			"their own (PostgreSQL, Apache Kafka, object storage) is named and refused; --partial backs up the rest.",
		Example: "  hxp backup /backup/hxp-$(date +%F).tar.zst\n  hxp backup hxp.tar.zst --data-dir /var/lib/hxp\n  pg_dump --format=custom --file=hxp.pgdump \"$SQL_DATABASE_URL\" && hxp backup hxp.tar.zst --partial",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			show := newProgress(cmd.ErrOrStderr(), "MiB")
			partial, _ := cmd.Flags().GetBool("partial")
			index, err := app.Backup(cmd.Context(), cfg, args[0], app.BackupOptions{Partial: partial, Progress: mebibytes(show)})
			if err != nil {
				return interrupted(cmd, err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s holds %d files, %d bytes unpacked\n", args[0], len(index.Members), index.Bytes())
			return nil
		}}
	configFlags(cmd.Flags())
	cmd.Flags().Bool("partial", false, "also when a part of the data lies on a server of its own")
	return cmd
}

func restoreBackupCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "restore FILE", Short: "Unpack a backup into an empty data folder", Args: exactly("the file of a backup"),
		Long: "Unpacks a backup, compares every byte with what the backup says of itself, and brings it to its place by renames: the folder holds all\n" +
			"of it or nothing. A folder that is not empty or in use, a damaged file and one of a later version of hxp are refused. Folders that\n" +
			"the configuration names beside the data folder (reports, archive, lake) get their parts.",
		Example: "  hxp restore hxp.tar.zst --data-dir /var/lib/hxp\n  hxp restore hxp.tar.zst --verify",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			show := mebibytes(newProgress(cmd.ErrOrStderr(), "MiB"))
			verb := "restored to " + cfg.DataDir
			read := func() (err error) {
				if verify, _ := cmd.Flags().GetBool("verify"); verify {
					verb = "read and found whole"
					_, err = app.ReadBackup(cmd.Context(), args[0], show)
				} else {
					_, err = app.Restore(cmd.Context(), cfg, args[0], show)
				}
				return err
			}
			if err := read(); err != nil {
				return interrupted(cmd, err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s was %s\n", args[0], verb)
			return nil
		}}
	configFlags(cmd.Flags())
	cmd.Flags().Bool("verify", false, "only read the backup and tell whether it is whole")
	return cmd
}

// mebibytes shows bytes as MiB.
func mebibytes(p *progress) func(done, total int64) {
	return func(done, total int64) { p.show(int(done>>20), int(total>>20)) }
}

// interrupted says that nothing was left behind, when that is why work ended.
func interrupted(cmd *cobra.Command, err error) error {
	if cmd.Context().Err() != nil {
		return errors.New("interrupted; nothing was left behind")
	}
	return err
}
