// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Stake token for development and tests
/// @notice A plain burnable ERC-20 with permit and 18 decimals. The whole supply is minted once, to
/// the holder named at deployment; nobody can mint afterwards, pause or take anything back.
contract ForeToken is ERC20, ERC20Burnable, ERC20Permit {
    /// @param holder receives the whole supply
    /// @param supply in wei (1e-18 token)
    constructor(address holder, uint256 supply) ERC20("Foretoken", "FORE") ERC20Permit("Foretoken") {
        _mint(holder, supply);
    }
}
