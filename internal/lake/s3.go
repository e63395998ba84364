package lake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sync/errgroup"

	"github.com/hxp-enterprise/hxp/internal/kit/cure"
)

// S3 says how object storage is reached, for lakes whose URL begins with s3://.
type S3 struct {
	Endpoint  string `yaml:"endpoint" env:"HXP_LAKE_S3_ENDPOINT,AWS_ENDPOINT_URL_S3,AWS_ENDPOINT_URL" default:"https://s3.amazonaws.com" doc:"server of the S3 API; only for a lake on s3://"`
	Region    string `yaml:"region" env:"HXP_LAKE_S3_REGION,AWS_REGION,AWS_DEFAULT_REGION" default:"us-east-1" doc:"region of the bucket"`
	AccessKey string `yaml:"access_key_id" env:"AWS_ACCESS_KEY_ID" secret:"true" doc:"key of the S3 API; when empty, the shared credentials file or the role of the machine is used"`
	SecretKey string `yaml:"secret_access_key" env:"AWS_SECRET_ACCESS_KEY" secret:"true" doc:"secret that belongs to the key"`
	Token     string `yaml:"session_token" env:"AWS_SESSION_TOKEN" secret:"true" doc:"token of temporary keys"`
}

// s3Store is a storage in a bucket. What it takes, it keeps as the server promises.
type s3Store struct {
	s3Place
	client *minio.Core
	stage  string // folder for copies of large objects
}

// s3Place says where the objects are.
type s3Place struct {
	bucket, prefix string // the prefix is empty or ends in a slash
	endpoint       *url.URL
	region         string
}

const (
	s3Part     = 32 << 20 // objects above this size are sent in parts
	s3Parallel = 4        // objects sent at a time
	s3InMemory = 4 << 20  // objects up to this size are read in memory, others by a copy on the disk
)

// openS3 reaches the bucket of a URL like s3://bucket/prefix.
func openS3(ctx context.Context, raw string, cfg S3, stage string) (*s3Store, error) {
	place, err := parseS3(raw, cfg)
	if err != nil {
		return nil, err
	}
	client, err := place.client(cfg)
	if err != nil {
		return nil, fmt.Errorf("lake: %s: %w", raw, err)
	}
	s := &s3Store{s3Place: place, client: client, stage: stage}
	ctx, cancel := context.WithTimeoutCause(ctx, 15*time.Second, errors.New("no answer within 15 s"))
	defer cancel()
	ok, err := client.BucketExists(ctx, place.bucket)
	if err == nil && !ok {
		err = s.missing(ctx)
	}
	switch {
	case err != nil:
		return nil, cure.With(fmt.Errorf("lake: bucket %s at %s: %w", place.bucket, place.endpoint, err), s3Cure(err))
	case !ok:
		return nil, cure.With(fmt.Errorf("lake: there is no bucket %s at %s", place.bucket, place.endpoint), "make it, or name another in HXP_LAKE_URL")
	}
	return s, nil
}

// missing tells what is wrong where a server says that there is no bucket; nil when that is so. Some say it to a key that they do not know.
func (s *s3Store) missing(ctx context.Context) error {
	for o := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{MaxKeys: 1}) {
		if o.Err != nil && minio.ToErrorResponse(o.Err).Code != minio.NoSuchBucket {
			return o.Err
		}
		break
	}
	return nil
}

// s3Cure tells apart what keeps us from a bucket. To HEAD a server answers with a status alone, which the client spells out.
func s3Cure(err error) string {
	switch r := minio.ToErrorResponse(err); {
	case r.Code == "InvalidAccessKeyId" || r.Code == "SignatureDoesNotMatch" || r.StatusCode == http.StatusForbidden || r.StatusCode == http.StatusUnauthorized:
		return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to keys that may use the bucket"
	case r.StatusCode == http.StatusMovedPermanently || r.StatusCode == http.StatusTemporaryRedirect || r.StatusCode == http.StatusBadRequest:
		return "set AWS_REGION to the region of the bucket"
	case r.StatusCode/100 == 4: // it answers, and has a word of its own for it
		return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to keys that the server knows"
	}
	return "start the server, or set HXP_LAKE_S3_ENDPOINT to where it is"
}

// Reach tells whether the object storage of a configuration answers and has the bucket. A folder has nothing to be reached.
func Reach(ctx context.Context, cfg Config) error {
	if !strings.HasPrefix(cfg.URL, "s3://") {
		return nil
	}
	_, err := openS3(ctx, cfg.URL, cfg.S3, "")
	return err
}

func (p *s3Place) client(cfg S3) (*minio.Core, error) {
	keys := credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, cfg.Token)
	if cfg.AccessKey == "" {
		keys = credentials.NewChainCredentials([]credentials.Provider{&credentials.FileAWSCredentials{}, &credentials.IAM{}})
	}
	return minio.NewCore(p.endpoint.Host, &minio.Options{Creds: keys, Secure: p.endpoint.Scheme == "https", Region: p.region})
}

// parseS3 checks what a configuration says of a place.
func parseS3(raw string, cfg S3) (p s3Place, err error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return p, fmt.Errorf("lake: %s: write s3://BUCKET/PREFIX; keys and endpoint have settings of their own", raw)
	}
	p = s3Place{bucket: u.Host, prefix: strings.Trim(u.Path, "/"), region: cfg.Region}
	if p.prefix != "" {
		p.prefix += "/"
	}
	endpoint := cfg.Endpoint
	if endpoint == "" {
		endpoint = "https://s3.amazonaws.com"
	}
	p.endpoint, err = url.Parse(endpoint)
	if err != nil || p.endpoint.Scheme != "http" && p.endpoint.Scheme != "https" || p.endpoint.Host == "" || strings.Trim(p.endpoint.Path, "/") != "" {
		return p, fmt.Errorf("lake: endpoint %q: write https://HOST or http://HOST:PORT", endpoint)
	}
	if (cfg.AccessKey == "") != (cfg.SecretKey == "") {
		return p, errors.New("lake: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together; one of them is missing")
	}
	return p, nil
}

func (p *s3Place) String() string { return strings.TrimSuffix("s3://"+p.bucket+"/"+p.prefix, "/") }

// place sends the files and reads each of them again.
func (s *s3Store) place(ctx context.Context, files []staged) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s3Parallel)
	for i := range files {
		g.Go(func() error {
			if err := s.put(ctx, &files[i]); err != nil {
				return fmt.Errorf("send %s to %s: %w", files[i].name, s, err)
			}
			return os.Remove(files[i].local)
		})
	}
	return g.Wait()
}

func (s *s3Store) put(ctx context.Context, f *staged) error {
	opts := minio.PutObjectOptions{ContentType: "application/vnd.apache.parquet", PartSize: s3Part}
	if f.bytes <= s3Part {
		opts.SetMatchETagExcept("*") // the name is new; an object that is there already is not ours to overwrite
	}
	_, err := s.client.FPutObject(ctx, s.bucket, s.prefix+f.name, f.local, opts)
	if err != nil && statusOf(err) != http.StatusPreconditionFailed { // an answer that was lost on its way; what is there tells
		return err
	}
	body, size, err := s.get(ctx, f.name)
	if err != nil {
		return fmt.Errorf("read it again: %w", err)
	}
	defer body.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, body); err != nil {
		return fmt.Errorf("read it again: %w", err)
	}
	if size != f.bytes || hex.EncodeToString(sum.Sum(nil)) != f.sha256 {
		return fmt.Errorf("what the server holds is not what was sent (%d bytes of %d)", size, f.bytes)
	}
	return nil
}

func statusOf(err error) int { return minio.ToErrorResponse(err).StatusCode }

func (s *s3Store) get(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	body, info, _, err := s.client.GetObject(ctx, s.bucket, s.prefix+name, minio.GetObjectOptions{})
	if err != nil && statusOf(err) == http.StatusNotFound {
		return nil, 0, ErrMissing
	}
	return body, info.Size, err
}

// memoryObject is a small object, read whole.
type memoryObject struct{ *bytes.Reader }

func (memoryObject) Close() error { return nil }

// open takes a copy: Parquet is read in many small pieces, and a request for each would take longer than the whole.
func (s *s3Store) open(ctx context.Context, name string) (object, error) {
	body, size, err := s.get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if size <= s3InMemory {
		data := make([]byte, size)
		if _, err := io.ReadFull(body, data); err != nil {
			return nil, err
		}
		return memoryObject{bytes.NewReader(data)}, nil
	}
	file, err := os.CreateTemp(s.stage, "read-*.parquet") // the sweep takes what a killed process leaves
	if err != nil {
		return nil, err
	}
	if n, err := io.Copy(file, body); err != nil || n != size {
		return nil, errors.Join(fmt.Errorf("%d of %d bytes: %w", n, size, err), file.Close(), os.Remove(file.Name()))
	}
	return copyObject{fileObject{file, size}}, nil
}

// copyObject is a copy that goes when it is closed.
type copyObject struct{ fileObject }

func (o copyObject) Close() error {
	err := o.fileObject.Close()
	if e := os.Remove(o.Name()); !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

func (s *s3Store) remove(ctx context.Context, name string) error {
	err := s.client.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{})
	if err != nil && statusOf(err) == http.StatusNotFound {
		return nil
	}
	return err
}

func (s *s3Store) walk(ctx context.Context, dir string, fn func(entry) error) error {
	for o := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + dir + "/", Recursive: true}) {
		if o.Err != nil {
			return fmt.Errorf("list %s/%s: %w", s, dir, o.Err)
		}
		if err := fn(entry{strings.TrimPrefix(o.Key, s.prefix), o.LastModified}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// duckDB, pyArrow and spark are the lines with which each of them reaches the place. They leave the keys to the environment.
func (p *s3Place) duckDB() string {
	return fmt.Sprintf("INSTALL httpfs; LOAD httpfs;\nCREATE OR REPLACE SECRET lake (TYPE s3, PROVIDER credential_chain, REGION '%s', ENDPOINT '%s', URL_STYLE 'path', USE_SSL %t);\n",
		p.region, p.endpoint.Host, p.endpoint.Scheme == "https")
}

func (p *s3Place) pyArrow() string {
	return fmt.Sprintf("from pyarrow import fs\ns3 = fs.S3FileSystem(region='%s', endpoint_override='%s', scheme='%s')\n", p.region, p.endpoint.Host, p.endpoint.Scheme)
}

func (p *s3Place) spark() string {
	return fmt.Sprintf("# needs org.apache.hadoop:hadoop-aws and the keys in the environment\nhadoop = spark.sparkContext._jsc.hadoopConfiguration()\nhadoop.set('fs.s3a.endpoint', '%s')\nhadoop.set('fs.s3a.path.style.access', 'true')\n", p.endpoint)
}

// s3 returns where the lake is when it is object storage, nil for a folder.
func (l *Lake) s3() *s3Place {
	if s, ok := l.storage.(*s3Store); ok {
		return &s.s3Place
	}
	return nil
}
