package gemm

import "github.com/mlc-go/mlc/runtime/cpu"

// AVX2_6x16 holds the tiles of up to 6 rows for AVX2 with FMA.
var AVX2_6x16 = Micro{Name: "6x16.avx2", Needs: cpu.AVX2, MR: 6, NP: 1, wide: [4]int{1, 4, 2, 2}, call: avx2Call, pack1: pack1_avx2, pack4: pack4_avx2, packT: packT_avx2}

// AVX512_14x32 holds the tiles of up to 14 rows and two panels for AVX-512.
var AVX512_14x32 = Micro{Name: "14x32.avx512", Needs: cpu.AVX2 | cpu.AVX512, MR: 14, NP: 2, wide: [4]int{1, 4, 4, 4}, call: avx512Call, pack1: pack1_avx2, pack4: pack4_avx2, packT: packT_avx2}

func avx2Call(mr, np, tiles, kc int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, acc int) {
	switch mr*8 + np {
	case 1*8 + 1:
		f32_1x16_avx2(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 1*8 + 4:
		f32_1x64_avx2(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 2*8 + 1:
		f32_2x16_avx2(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 2*8 + 2:
		f32_2x32_avx2(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 3*8 + 1:
		f32_3x16_avx2(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 3*8 + 2:
		f32_3x32_avx2(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 4*8 + 1:
		f32_4x16_avx2(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 5*8 + 1:
		f32_5x16_avx2(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 6*8 + 1:
		f32_6x16_avx2(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	default:
		panic("gemm: no such tile")
	}
}

func avx512Call(mr, np, tiles, kc int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, acc int) {
	switch mr*8 + np {
	case 1*8 + 1:
		f32_1x16_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 1*8 + 2:
		f32_1x32_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 1*8 + 4:
		f32_1x64_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 2*8 + 1:
		f32_2x16_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 2*8 + 2:
		f32_2x32_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 2*8 + 4:
		f32_2x64_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 3*8 + 1:
		f32_3x16_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 3*8 + 2:
		f32_3x32_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 3*8 + 4:
		f32_3x64_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 4*8 + 1:
		f32_4x16_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 4*8 + 2:
		f32_4x32_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 5*8 + 1:
		f32_5x16_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 5*8 + 2:
		f32_5x32_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 6*8 + 1:
		f32_6x16_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 6*8 + 2:
		f32_6x32_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 7*8 + 1:
		f32_7x16_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 7*8 + 2:
		f32_7x32_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 8*8 + 1:
		f32_8x16_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 8*8 + 2:
		f32_8x32_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 9*8 + 1:
		f32_9x16_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 9*8 + 2:
		f32_9x32_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 10*8 + 1:
		f32_10x16_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 10*8 + 2:
		f32_10x32_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 11*8 + 1:
		f32_11x16_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 11*8 + 2:
		f32_11x32_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 12*8 + 1:
		f32_12x16_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 12*8 + 2:
		f32_12x32_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 13*8 + 1:
		f32_13x16_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 13*8 + 2:
		f32_13x32_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 14*8 + 1:
		f32_14x16_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	case 14*8 + 2:
		f32_14x32_avx512(tiles, kc, a, lda, b, ldb, c, ldc, acc)
	default:
		panic("gemm: no such tile")
	}
}
