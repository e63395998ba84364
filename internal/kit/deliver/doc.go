// Package deliver hands documents and messages to people and programs: by SMTP, to an address of HTTP, into a folder.
//
// In come a finished document and where it goes; out comes what became of the try: it arrived, it may be tried again, it never will
// arrive, or nobody knows since the line was cut behind the last byte.
//
// Promised: a message is the same bytes with the same Message-ID in every try, so that a mail program shows it once even where a server
// took it twice; no text of a report, name or address can add a header or a command; a password is sent over TLS alone, or to this machine.
//
// On failure: every try ends with its context. A certificate that does not hold, a server without the TLS that was asked for, or one that
// refuses the password is an error and never a reason to go on without.
package deliver
