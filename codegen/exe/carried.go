//go:build mlcstubs

package exe

import "embed"

// carried are the stubs, compressed; tools/release puts them there.
//
//go:embed stubs/linux-amd64.zst stubs/linux-arm64.zst
var carried embed.FS
