// Minimax polynomials, lowest power first, made by math.sollya.
#pragma once

namespace tenon::gen::poly {

inline constexpr double kExpF32[] = {0x1p-1, 0x1.555552p-3, 0x1.5554e4p-5, 0x1.1115b6p-7, 0x1.6d5166p-10,
    0x1.9a94e6p-13};
inline constexpr double kExpOfRoots[] = {0x1.00021ep-1, 0x1.555596p-3};
inline constexpr double kExp[] = {0x1p-1, 0x1.5555555555555p-3, 0x1.5555555555558p-5, 0x1.11111111112bep-7,
    0x1.6c16c16c1500dp-10, 0x1.a01a019f5465ep-13, 0x1.a01a01ad76715p-16, 0x1.71de3d0061e26p-19,
    0x1.27e4cc2729b25p-22, 0x1.ae5b88760947cp-26, 0x1.1f8bb7b8e543p-29, 0x1.6c8fc7bdc763dp-33};
inline constexpr double kLogF32[] = {0x1.55557p-2, -0x1.000234p-2, 0x1.99944ep-3, -0x1.5466fep-3, 0x1.239ce2p-3,
    -0x1.0e96ccp-3, 0x1.015974p-3, -0x1.2a6f78p-4};
inline constexpr double kLog[] = {0x1.5555555555555p-1, 0x1.9999999999d0cp-2, 0x1.249249243a031p-2,
    0x1.c71c724ac13e3p-3, 0x1.745ce1fcd8c4cp-3, 0x1.3b201bc748512p-3, 0x1.0f6803214d1bap-3,
    0x1.0f0745ab2ac56p-3};
inline constexpr double kSin[] = {-0x1.5555555555555p-3, 0x1.111111111108bp-7, -0x1.a01a01a006d8cp-13,
    0x1.71de3a4019c09p-19, -0x1.ae643d4462f0dp-26, 0x1.6114a653308c5p-33, -0x1.a55ce7025362ap-41};
inline constexpr double kCos[] = {0x1.555555555554bp-5, -0x1.6c16c16c15018p-10, 0x1.a01a019c8f942p-16,
    -0x1.27e4f7f1ee40dp-22, 0x1.1ee9dc126f59fp-29, -0x1.8fa6a86831e75p-37};
inline constexpr double kAsin[] = {0x1.5555555555577p-3, 0x1.333333332e133p-4, 0x1.6db6db721247bp-5,
    0x1.f1c71a95002fbp-6, 0x1.6e8bdedebf9dfp-6, 0x1.1c49f077d5bc7p-6, 0x1.ca1f8af1f0a3ap-7,
    0x1.75859dad05d78p-7, 0x1.613c1e6ed740ap-7, 0x1.e5fbe88dfb6c3p-9, 0x1.639a894e22b07p-6,
    -0x1.57fad0deac95ep-6, 0x1.0b45e9f72f00bp-5};
inline constexpr double kAtan[] = {-0x1.5555555555555p-2, 0x1.99999999998c5p-3, -0x1.249249248bea1p-3,
    0x1.c71c71c3da30bp-4, -0x1.745d16c3067c3p-4, 0x1.3b13a3ac423eap-4, -0x1.1110186532b7bp-4,
    0x1.e1c89eeb00482p-5, -0x1.ae3cd35925662p-5, 0x1.7ff0da05d95efp-5, -0x1.4706715177228p-5,
    0x1.d0e5864a6d9a8p-6, -0x1.861787ef681d9p-7};
inline constexpr double kErfF32[] = {0x1.20dd74p0, -0x1.8126d2p-2, 0x1.ce1fcep-4, -0x1.b7480ep-6, 0x1.4f7c3cp-8,
    -0x1.874dbp-11, 0x1.03a052p-14};
inline constexpr double kErf[] = {0x1.20dd750429b6dp0, -0x1.812746b0379cap-2, 0x1.ce2f21a041df3p-4,
    -0x1.b82ce3125647ap-6, 0x1.565bcd07fa605p-8, -0x1.c02db2f9c2b97p-11, 0x1.f9a30b576b8ccp-14,
    -0x1.f4d05fc887746p-17, 0x1.b9cd79977686ap-20, -0x1.5e94fcc83924dp-23, 0x1.f253bae72efcp-27,
    -0x1.290ef2aba2322p-30, 0x1.bcc7673e3d47dp-35};
inline constexpr double kErfcF32[] = {-0x1.ac91d57aa621cp-13, 0x1.213179113d7e9p0, 0x1.441dc566d53bcp-1,
    0x1.bcfc37297bfb7p-4, -0x1.9fb85014bfc19p-6, 0x1.18a646d38ca4ep-8, -0x1.e65048dc15a05p-12,
    0x1.a8b3f9be00ca3p-16, -0x1.0dd1a7f56f74ap-22};
inline constexpr double kErfc[] = {-0x1.ca3f94016be9ep-26, 0x1.20dd7abae0346p0, 0x1.45f2c1e00f236p-1,
    0x1.a4fd12a1a655ap-4, -0x1.39be56e453c4bp-6, -0x1.5e49fa4df2eafp-13, 0x1.ab4bae25ad3d6p-10,
    -0x1.09df8f5f1bb01p-11, -0x1.eade98a27adfdp-15, 0x1.1a5748f1bb3f8p-13, -0x1.44cdb219e087ep-14,
    0x1.f38c34adaeb8ap-16, -0x1.24ad1f80208e2p-17, 0x1.0f8758ee582adp-19, -0x1.925f3df021554p-22,
    0x1.d8e13b8b6794cp-25, -0x1.b01a2ace0ebddp-28, 0x1.285bf7ab30edap-31, -0x1.1f2e44daac9aap-35,
    0x1.5e87a670aecc5p-40, -0x1.9522db9da088ap-46};
inline constexpr double kErfPieces[][16] = {
    {0, 0x1.1af54ep-2, 0x1.0a7ef6p-1, 0x1.6c1c98p-1, 0x1.af767ap-1, 0x1.d8865ep-1, 0x1.eea556p-1, 0x1.f92d08p-1,
     0x1.fd9ae2p-1, 0x1.ff4048p-1, 0x1.ffcaa8p-1, 0x1.fff2dp-1, 0x1.fffd1ap-1, 0x1.ffff7p-1, 0x1.ffffe8p-1,
     0x1.fffffcp-1},
    {0x1.20dd74p0, 0x1.0f5d16p0, 0x1.c1efcap-1, 0x1.492e44p-1, 0x1.a911f2p-2, 0x1.e4653p-3, 0x1.e72372p-4,
     0x1.b0552ep-5, 0x1.529bdcp-6, 0x1.d41436p-8, 0x1.1d8312p-9, 0x1.3360f2p-11, 0x1.2407fcp-13, 0x1.e9bba4p-16,
     0x1.6a95d8p-18, 0x1.d8cec4p-21},
    {0, -0x1.0f5bd2p-2, -0x1.c1eee2p-2, -0x1.edc5fp-2, -0x1.a91126p-2, -0x1.2ec0a4p-2, -0x1.6d5de6p-3,
     -0x1.7a4f9p-4, -0x1.52a7fap-5, -0x1.075e12p-6, -0x1.646476p-8, -0x1.a738acp-10, -0x1.afd788p-12,
     -0x1.99d844p-14, -0x1.b47dbcp-16, -0x1.fe0718p-20},
    {-0x1.812278p-2, -0x1.3c96ap-2, -0x1.2bf4aep-3, 0x1.b6bf18p-6, 0x1.1b5d7ep-3, 0x1.571c7cp-3, 0x1.1c2a84p-3,
     0x1.714a78p-4, 0x1.8aeaa2p-5, 0x1.63f0e4p-6, 0x1.119e62p-7, 0x1.69c3bp-9, 0x1.9ded12p-11, 0x1.99e364p-13,
     0x1.5b32fp-15, 0x1.11e0fep-17},
    {0, 0x1.02319cp-3, 0x1.74e876p-3, 0x1.33ec5ep-3, 0x1.1b0c34p-4, -0x1.6af3p-8, -0x1.681c18p-5, -0x1.86d668p-5,
     -0x1.1797b2p-5, -0x1.35b322p-6, -0x1.28c7d8p-7, -0x1.9fdb5ap-9, -0x1.647512p-10, -0x1.300c9ep-13,
     0x1.35d404p-12, -0x1.692e46p-14},
    {0x1.c88a6cp-4, 0x1.464038p-4, 0x1.e35838p-8, -0x1.adbde8p-5, -0x1.18d164p-4, -0x1.8199ccp-5, -0x1.eb5542p-7,
     0x1.a64792p-8, 0x1.c5e54ep-7, 0x1.5c4166p-7, 0x1.913058p-8, 0x1.6ce98ap-9, 0x1.06c98p-10, 0x1.5f48e6p-12,
     0x1.0f83d4p-13, 0x1.268b28p-17}};

// Of Knob::functions: relative errors below 2^-18, exp's leading 1 alone being exact.
inline constexpr double kShortExp[] = {0x1.fffba2p-1, 0x1.0003f8p-1, 0x1.57d03ap-3, 0x1.541428p-5};
inline constexpr double kShortExpm1[] = {0x1.fffe6ep-2, 0x1.555634p-3, 0x1.5705eep-5, 0x1.11383cp-7};
inline constexpr double kShortLog[] = {0x1.5534a4p-2, -0x1.fed984p-3, 0x1.a2a7d2p-3, -0x1.78fabep-3, 0x1.e29736p-4};
inline constexpr double kShortErf[] = {0x1.20dd6p0, -0x1.81170cp-2, 0x1.cc2816p-4, -0x1.a0f642p-6, 0x1.ca0fe6p-9};
inline constexpr double kShortErfc[] = {0x1.515a28fe6a829p-7, 0x1.1717eb94974a5p0, 0x1.62a15763c5ae4p-1,
    0x1.ffb923f46e72ap-5, -0x1.8941990b9f9f3p-8};
inline constexpr double kShortErfPieces[][16] = {
    {0, 0x1.1af54ep-2, 0x1.0a7ef6p-1, 0x1.6c1c98p-1, 0x1.af767ap-1, 0x1.d8865ep-1, 0x1.eea556p-1, 0x1.f92d08p-1,
     0x1.fd9ae2p-1, 0x1.ff4048p-1, 0x1.ffcaa8p-1, 0x1.fff2dp-1, 0x1.fffd1ap-1, 0x1.ffff7p-1, 0x1.ffffe8p-1,
     0x1.fffffcp-1},
    {0x1.20dd3cp0, 0x1.0f5cbp0, 0x1.c1efb8p-1, 0x1.492ecap-1, 0x1.a9135p-2, 0x1.e46712p-3, 0x1.e724a4p-4,
     0x1.b05428p-5, 0x1.529776p-6, 0x1.d4069cp-8, 0x1.1d7368p-9, 0x1.334472p-11, 0x1.23def2p-13, 0x1.e94dep-16,
     0x1.69ebd2p-18, 0x1.d87396p-21},
    {0, -0x1.0f5b8p-2, -0x1.c1eea8p-2, -0x1.edc5bap-2, -0x1.a91132p-2, -0x1.2ec0dp-2, -0x1.6d5e36p-3,
     -0x1.7a4fe2p-4, -0x1.52a79ep-5, -0x1.075db4p-6, -0x1.6462f8p-8, -0x1.a73562p-10, -0x1.afcffap-12,
     -0x1.99d33ep-14, -0x1.b4a054p-16, -0x1.fd341p-20},
    {-0x1.7f5b4ap-2, -0x1.3afec6p-2, -0x1.2baa52p-3, 0x1.a5f8b4p-6, 0x1.18a012p-3, 0x1.553a7ep-3, 0x1.1b9128p-3,
     0x1.71ce1cp-4, 0x1.8d207ep-5, 0x1.67577ap-6, 0x1.158934p-7, 0x1.70e41p-9, 0x1.a8307ep-11, 0x1.a79c2p-13,
     0x1.706cb8p-15, 0x1.179d18p-17},
    {0, 0x1.020064p-3, 0x1.74c548p-3, 0x1.33cbf2p-3, 0x1.1b1a94p-4, -0x1.67a6cp-8, -0x1.67bbfap-5, -0x1.86a512p-5,
     -0x1.17b456p-5, -0x1.35cf5p-6, -0x1.290122p-7, -0x1.a059a2p-9, -0x1.65061cp-10, -0x1.30cd82p-13,
     0x1.367a0ep-12, -0x1.6a2b7ep-14}};

}  // namespace tenon::gen::poly
