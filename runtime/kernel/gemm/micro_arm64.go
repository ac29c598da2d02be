package gemm

import "github.com/mlc-go/mlc/runtime/cpu"

// NEON_4x16 holds the tiles of up to 4 rows for Advanced SIMD.
var NEON_4x16 = Micro{Name: "4x16.neon", Needs: cpu.NEON, MR: 4, NP: 1, wide: [4]int{1, 2, 2, 1}, call: neonCall, pack1: pack1_neon, pack4: pack4_neon, packT: packT_neon}

func neonCall(mr, np, tiles, kc int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, acc int) {
	switch mr*8 + np {
	case 1*8 + 1:
		f32_1x16_neon(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 1*8 + 2:
		f32_1x32_neon(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 2*8 + 1:
		f32_2x16_neon(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 2*8 + 2:
		f32_2x32_neon(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 3*8 + 1:
		f32_3x16_neon(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 4*8 + 1:
		f32_4x16_neon(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	default:
		panic("gemm: no such tile")
	}
}
