//go:build !mlcstubs

package exe

import "embed"

// carried holds nothing in a build without the tag mlcstubs.
var carried embed.FS
