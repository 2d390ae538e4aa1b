// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Payout of a direction round: the leave-one-out quadratic wager in integers
/// @dev Amounts in units (1e-9 token), probabilities and outcome in parts per million. With w and
/// W < 2^63 and reports in [0, 1e6] the numerator stays under 2^247.
library Wager {
    int256 internal constant PPM = 1e6;

    /// @notice D_i = ⌊1e6·w·(A − B·p)·(A + B·(p − 2y)) / ((1e6 − 2a)·B·W·1e12)⌋ with A = P − w·p and
    /// B = W − w; 0 when B = 0. Rounds toward minus infinity, so the pool never pays the dust.
    /// @param a clamp of the reports, below 500000
    /// @param y outcome, 0 or 1000000
    /// @param w stake of the model, at most totalStake
    /// @param p counted report of the model
    /// @param totalStake W, the sum of w
    /// @param totalWeighted P, the sum of w·p
    function payout(uint32 a, uint32 y, uint64 w, uint32 p, uint64 totalStake, uint128 totalWeighted)
        internal
        pure
        returns (int256)
    {
        int256 stake = int256(uint256(w));
        int256 report = int256(uint256(p));
        int256 total = int256(uint256(totalStake));
        int256 othersWeighted = int256(uint256(totalWeighted)) - stake * report;
        int256 othersStake = total - stake;
        if (othersStake == 0) return 0;
        int256 numerator = PPM * stake * (othersWeighted - othersStake * report)
            * (othersWeighted + othersStake * (report - 2 * int256(uint256(y))));
        int256 denominator = (PPM - 2 * int256(uint256(a))) * othersStake * total * 1e12;
        return floorDivide(numerator, denominator);
    }

    /// @notice Quotient rounded toward minus infinity. The denominator is positive.
    function floorDivide(int256 numerator, int256 denominator) internal pure returns (int256 quotient) {
        quotient = numerator / denominator;
        if (numerator % denominator < 0) quotient -= 1;
    }
}
