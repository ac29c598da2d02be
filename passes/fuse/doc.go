// Package fuse makes few operators of many. Its rewrites of the first kind
// fold normalization, bias and scale into the weights before them and leave
// plain operators. Those of the second kind make mlc.Fused groups, which name
// what one kernel can do at once: "epilogue", a product or convolution with
// what follows it, and "eltwise", elementwise operators over one shape. No
// other package makes groups. It computes no numbers and knows no kernel: a
// backend inlines the groups that it has no use for, with Inline.
//
//	p := fuse.Epilogue()
//	err := p.Apply(ctx, m)
//	err = fuse.Inline(ctx, group) // and back
package fuse
