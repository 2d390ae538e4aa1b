// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

enum Oddity {
    None,
    Fee,
    Generous,
    ReturnsFalse,
    ReturnsNothing,
    Reverts,
    MovesNothing,
    LyingBalance,
    NoBurn,
    RevertingBurn,
    Blocks
}

/// @notice A token that breaks one rule at a time.
contract OddToken is ERC20 {
    uint8 private immutable _decimals;
    Oddity public oddity;
    address public blocked;
    address private _target;
    bytes private _call;

    error IsBlocked(address account);
    error Broken();

    constructor(uint8 decimals_) ERC20("Odd", "ODD") {
        _decimals = decimals_;
        _mint(msg.sender, 1e9 ether);
    }

    function become(Oddity oddity_) external {
        oddity = oddity_;
    }

    function blockOnly(address account) external {
        (oddity, blocked) = (Oddity.Blocks, account);
    }

    /// @dev With every move of tokens, calls the target and passes its failure on.
    function callBack(address target, bytes calldata data) external {
        (_target, _call) = (target, data);
    }

    /// @dev A rebase: what an account has changes without a transfer.
    function rebase(address account, uint256 amount) external {
        uint256 had = super.balanceOf(account);
        if (amount > had) _mint(account, amount - had);
        else _burn(account, had - amount);
    }

    function burn(uint256 value) external {
        if (oddity == Oddity.RevertingBurn) revert Broken();
        if (oddity != Oddity.NoBurn) _burn(msg.sender, value);
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return _answer(_isMoved() && super.transfer(to, value));
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return _answer(_isMoved() && super.transferFrom(from, to, value));
    }

    function balanceOf(address account) public view override returns (uint256) {
        return oddity == Oddity.LyingBalance ? 7 : super.balanceOf(account);
    }

    function decimals() public view override returns (uint8) {
        return _decimals;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (oddity == Oddity.Blocks && (from == blocked || to == blocked)) revert IsBlocked(blocked);
        super._update(from, to, value);
        if (from != address(0) && to != address(0)) {
            if (oddity == Oddity.Fee) super._update(to, address(1), 1);
            if (oddity == Oddity.Generous) super._update(address(0), to, 1);
        }
        if (_target == address(0)) return;
        (bool done, bytes memory why) = _target.call(_call);
        if (done) return;
        assembly ("memory-safe") {
            revert(add(why, 32), mload(why))
        }
    }

    function _isMoved() private view returns (bool) {
        if (oddity == Oddity.Reverts) revert Broken();
        return oddity != Oddity.ReturnsFalse && oddity != Oddity.MovesNothing;
    }

    /// @dev Never comes back when the answer is no word at all.
    function _answer(bool moved) private view returns (bool) {
        if (oddity == Oddity.ReturnsNothing) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        return moved || oddity == Oddity.MovesNothing;
    }
}
